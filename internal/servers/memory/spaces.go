package memory

import (
	"context"

	"drawbridge/internal/servers/kit"
)

type spacesOut struct {
	Spaces []space `json:"spaces"`
	kit.PageOut
}

type space struct {
	Space    string `json:"space" jsonschema:"Its name; empty for the one that is used without a name."`
	Entities int    `json:"entities"`
	Files    int    `json:"files"`
}

// listSpaces lists what the user has, whatever space the call is in.
func (s *server) listSpaces(ctx context.Context, c *kit.Call, in kit.PageIn) (out spacesOut, err error) {
	window, err := in.Window(50)
	if err != nil {
		return out, err
	}
	found, err := s.records.Spaces(ctx, c.User())
	if err != nil {
		return out, err
	}
	all := make([]space, len(found))
	for i, f := range found {
		all[i] = space{f.Name, f.Entities, f.Files}
	}
	out.Spaces, out.PageOut = kit.Cut(window, all)
	return out, nil
}
