package account

import "time"

// CredentialName tells of a value that a user has stored for a built-in server,
// without the value.
type CredentialName struct {
	Server  string
	Name    string // as among the server's settings: "token"
	Updated time.Time
}
