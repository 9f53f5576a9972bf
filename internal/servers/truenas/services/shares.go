package services

import (
	"context"
	"fmt"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kit/pattern"
	"drawbridge/internal/servers/truenas/api"
	"drawbridge/internal/servers/truenas/desk"
	"drawbridge/internal/servers/truenas/show"
)

type listSharesIn struct {
	Kind string `json:"kind,omitempty" jsonschema:"Both without it." enum:"smb,nfs"`
	kit.PageIn
}

type listSharesOut struct {
	Shares []shareRow `json:"shares"`
	kit.PageOut
}

type shareRow struct {
	Kind    string        `json:"kind"`
	ID      int64         `json:"id"`
	Name    string        `json:"name,omitempty"`
	Path    string        `json:"path"`
	State   string        `json:"state"`
	Clients []string      `json:"clients,omitempty"`
	Comment kit.Untrusted `json:"comment,omitempty"`
}

func (t Tools) listShares(ctx context.Context, c *kit.Call, in listSharesIn) (out listSharesOut, err error) {
	w, err := in.Window(desk.Rows)
	if err != nil {
		return out, err
	}
	s, err := t.Session(ctx, c)
	if err != nil {
		return out, err
	}
	var rows []shareRow
	for _, kind := range []string{"smb", "nfs"} {
		if in.Kind != "" && in.Kind != kind {
			continue
		}
		all, err := s.Shares(ctx, kind)
		if err != nil {
			return out, err
		}
		for _, one := range all {
			rows = append(rows, shareRowOf(kind, one))
		}
	}
	out.Shares, out.PageOut = kit.Cut(w, rows)
	return out, nil
}

func shareRowOf(kind string, one api.Share) shareRow {
	state := "disabled"
	if one.Enabled {
		state = "enabled"
	}
	if one.ReadOnly || one.RO {
		state += ", readonly"
	}
	if one.Locked {
		state += ", locked"
	}
	row := shareRow{Kind: kind, ID: one.ID, Name: show.Name(one.Name), Path: show.Name(one.Path), State: state, Comment: show.Note(one.Comment)}
	for _, client := range append(one.Networks, one.Hosts...) {
		row.Clients = append(row.Clients, show.Name(client))
	}
	return row
}

type createShareIn struct {
	Kind     string   `json:"kind" jsonschema:"Protocol." enum:"smb,nfs"`
	Path     string   `json:"path" jsonschema:"/mnt/pool/dataset" max:"1000"`
	Name     string   `json:"name,omitempty" jsonschema:"SMB." max:"80"`
	Comment  string   `json:"comment,omitempty" jsonschema:"Text." max:"120"`
	ReadOnly bool     `json:"readonly,omitempty" jsonschema:"No writing."`
	Clients  []string `json:"clients,omitempty" jsonschema:"NFS: addresses, networks; everybody without it." max:"40"`
	Create   bool     `json:"create_dataset,omitempty" jsonschema:"Make the path."`
}

type createShareOut struct {
	ID      int64  `json:"id"`
	Dataset string `json:"created_dataset,omitempty"`
	Note    string `json:"note,omitempty"`
}

// shareName is what Windows takes for the name of a share.
var shareName = pattern.New(`^[^\\/\[\]:;|=,+*?<>"%\x00-\x1f]{1,80}$`)

// check is what can be told without TrueNAS; it gives the dataset of the path.
func (t Tools) check(in createShareIn) (dataset string, err error) {
	dataset, ok := strings.CutPrefix(strings.TrimSuffix(in.Path, "/"), "/mnt/")
	switch {
	case !ok || dataset == "" || strings.Contains("/"+dataset+"/", "/../"):
		return "", fault.New(fault.Invalid, "The path is not one below /mnt. list_datasets has the datasets; their paths are /mnt/<id>.")
	case in.Kind == "smb" && !shareName().MatchString(in.Name):
		return "", fault.New(fault.Invalid, "An SMB share needs a name of 1 to 80 characters, without \\ / [ ] : ; | = , + * ? < > \" and %%. Send one.")
	case in.Kind == "smb" && len(in.Clients) > 0:
		return "", fault.New(fault.Invalid, "clients are for NFS; who may use an SMB share is decided by its permissions. Leave them out.")
	case in.Kind == "nfs" && in.Name != "":
		return "", fault.New(fault.Invalid, "An NFS share has no name but its path. Leave the name out.")
	case in.Create && !strings.Contains(dataset, "/"):
		return "", fault.New(fault.Invalid, "A new dataset lies in a pool: /mnt/pool/dataset. list_pools has the pools.")
	}
	return dataset, t.Change(dataset)
}

// settings are the middleware's.
func (in createShareIn) settings(s api.Session) map[string]any {
	set := map[string]any{"path": strings.TrimSuffix(in.Path, "/"), "comment": in.Comment, "enabled": true}
	if in.Kind == "smb" {
		set["name"], set[s.Profile.ReadOnly] = in.Name, in.ReadOnly
		return set
	}
	set["ro"] = in.ReadOnly
	networks, hosts := []string{}, []string{}
	for _, client := range in.Clients {
		if strings.Contains(client, "/") {
			networks = append(networks, client)
		} else {
			hosts = append(hosts, client)
		}
	}
	set["networks"], set["hosts"] = networks, hosts
	return set
}

func (t Tools) previewShare(ctx context.Context, c *kit.Call, in createShareIn) (kit.Preview, error) {
	dataset, err := t.check(in)
	if err != nil {
		return kit.Preview{}, err
	}
	s, err := t.Session(ctx, c)
	if err != nil {
		return kit.Preview{}, err
	}
	p := kit.Preview{Target: in.Path, Effect: fmt.Sprintf("Shares %s by %s.", in.Path, strings.ToUpper(in.Kind))}
	if in.Create {
		p.Changes = append(p.Changes, "Makes the dataset "+dataset)
	}
	if in.Kind == "nfs" && len(in.Clients) == 0 {
		p.Changes = append(p.Changes, "Everybody in the network can mount it")
	}
	svc, err := find(ctx, s, serviceOf[in.Kind])
	if err == nil && svc.State != "RUNNING" {
		p.Changes = append(p.Changes, notRunning(in.Kind))
	}
	return p, err
}

// serviceOf is the service that offers a kind of share.
var serviceOf = map[string]string{"smb": "cifs", "nfs": "nfs"}

func notRunning(kind string) string {
	return fmt.Sprintf("The service %s does not run, so that nobody can use the share yet: manage_service starts it.", serviceOf[kind])
}

func (t Tools) createShare(ctx context.Context, c *kit.Call, in createShareIn) (out createShareOut, err error) {
	dataset, err := t.check(in)
	if err != nil {
		return out, err
	}
	s, err := t.Session(ctx, c)
	if err != nil {
		return out, err
	}
	if in.Create {
		if err := s.CreateDataset(ctx, dataset, map[string]any{"type": "FILESYSTEM", "share_type": strings.ToUpper(in.Kind)}); err != nil {
			return out, err
		}
		out.Dataset = dataset
	}
	if out.ID, err = s.CreateShare(ctx, in.Kind, in.settings(s)); err != nil {
		if in.Create {
			return out, fault.Wrap(err, fault.CodeOf(err), "%s The dataset %s was made before that.", fault.PublicOf(err), dataset)
		}
		return out, err
	}
	if svc, err := find(ctx, s, serviceOf[in.Kind]); err == nil && svc.State != "RUNNING" { // the share is there, whatever this says
		out.Note = notRunning(in.Kind)
	}
	return out, nil
}
