package system

// WithoutSecrets and AsksSecret are for a test of their rules alone.
var (
	WithoutSecrets = withoutSecrets
	AsksSecret     = asksSecret
)
