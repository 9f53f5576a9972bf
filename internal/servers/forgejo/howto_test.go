package forgejo_test

import (
	"net/http/httptest"
	"testing"

	"drawbridge/internal/servers/forgejo"
	"drawbridge/internal/servers/forgejo/fake"
	"drawbridge/internal/servers/kittest"
	"drawbridge/internal/servers/kittest/pagetest"
)

// The examples of the page are made in order, on the fake's own repositories.
func TestHowTo(t *testing.T) {
	t.Parallel()
	forge := httptest.NewServer(forge(t, fake.Options{Profile: fake.Forgejo16}))
	t.Cleanup(forge.Close)
	s := kittest.Suite{New: kittest.Opens(forgejo.ReadConfig, forgejo.New), Settings: map[string]string{"url": forge.URL, "token": fake.AdaToken}}
	srv, _ := s.Open(t, nil, true)
	pagetest.HowTo{Page: "forgejo.md", Client: kittest.NewClient(srv, "ada").Approving(),
		Shown: []pagetest.Shown{{Real: forge.URL, As: "https://git.example.org"}}, Varies: []string{`\b[0-9a-f]{7,40}\b`}}.Run(t)
}
