package clientdoc

import (
	"net/http"

	"drawbridge/internal/egress"
	"drawbridge/internal/oauth"
)

// Read makes a client of a document's body.
func (d *Documents) Read(id string, body []byte) (oauth.Client, error) {
	return d.read(id, egress.Response{Status: http.StatusOK, Header: http.Header{"Content-Type": {accept}}, Body: body})
}
