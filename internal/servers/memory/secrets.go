package memory

import (
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kit/pattern"
)

// secretLike is what credentials look like: private keys, and tokens with the marks
// of those who give them out.
var secretLike = pattern.New(`-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}|\bglpat-[A-Za-z0-9_-]{20}|` +
	`\bxox[abeprs]-[A-Za-z0-9-]{10}|\bsk-[A-Za-z0-9_-]{20}|\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.|\bAIza[A-Za-z0-9_-]{35}`)

const secretWarning = "Warning: what was stored looks like a key or a token. Memory is not a place for secrets: everybody who reads it has them. Tell the user, and delete it if it is one."

// warnOfSecrets adds a warning to the answer where a text looks like a secret. It
// is stored all the same: the user may have meant it.
func warnOfSecrets(c *kit.Call, texts ...string) {
	for _, t := range texts {
		if secretLike().MatchString(t) {
			c.AddText(secretWarning)
			return
		}
	}
}
