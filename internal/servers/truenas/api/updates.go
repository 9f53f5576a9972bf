package api

import (
	"context"
	"strings"

	"drawbridge/internal/fault"
)

// Update is what is known of a newer release.
type Update struct {
	Version string // "" for none
	Train   string // that has it; "" where it is not told
	Notes   string // address of the release notes
	// Restart says that an update is installed and waits for a restart.
	Restart bool
	// Downloading is how far a download is; nil for none.
	Downloading *float64
	// Broken says that TrueNAS could not find out.
	Broken bool
}

// Update asks for a newer release. TrueNAS may ask its makers for that.
func (s Session) Update(ctx context.Context) (Update, error) {
	if !s.UpdateStatus {
		var out struct {
			Status  string `json:"status"`
			Version string `json:"version"`
			Notes   string `json:"release_notes_url"`
		}
		err := s.read(ctx, "update.check_available", nil, &out)
		u := Update{Restart: out.Status == "REBOOT_REQUIRED"}
		if out.Status == "AVAILABLE" {
			u.Version, u.Notes = out.Version, out.Notes
		}
		return u, err
	}
	var out struct {
		Code   string `json:"code"`
		Status *struct {
			New *newVersion `json:"new_version"`
		} `json:"status"`
		Progress *struct {
			Percent float64 `json:"percent"`
		} `json:"update_download_progress"`
	}
	err := s.read(ctx, "update.status", nil, &out)
	u := Update{Broken: out.Code == "ERROR", Restart: out.Code == "REBOOT_REQUIRED"}
	if out.Status != nil && out.Status.New != nil {
		n := out.Status.New
		u.Version, u.Train, u.Notes = n.Version, n.Manifest.Train, n.Notes
	}
	if out.Progress != nil {
		u.Downloading = &out.Progress.Percent
	}
	return u, err
}

// newVersion is a release that can be installed.
type newVersion struct {
	Version  string `json:"version"`
	Notes    string `json:"release_notes_url"`
	Manifest struct {
		Train string `json:"train"`
	} `json:"manifest"`
}

// TrainOf finds the train that has a version; 25.10 and newer.
func (s Session) TrainOf(ctx context.Context, version string) (string, error) {
	var all []struct {
		Train   string     `json:"train"`
		Version newVersion `json:"version"`
	}
	if err := s.read(ctx, "update.available_versions", nil, &all); err != nil {
		return "", err
	}
	var names []string
	for _, one := range all {
		if one.Version.Version == version {
			return one.Train, nil
		}
		names = append(names, one.Version.Version)
	}
	if len(names) == 0 {
		return "", fault.New(fault.NotFound, "TrueNAS offers no version %s, and no other either. manage_system with check_update looks again.", version)
	}
	return "", fault.New(fault.NotFound, "TrueNAS offers no version %s. It offers %s.", version, strings.Join(names[:min(len(names), 20)], ", "))
}

const lookAtSystem = "get_system_status"

// DownloadUpdate downloads a release; without a version the newest. TrueNAS takes a
// version with its train alone.
func (s Session) DownloadUpdate(version, train string) Deed {
	d := Deed{Method: "update.download", Params: []any{}, What: "the download of the update", Look: lookAtSystem + ` and get_job`}
	if version != "" {
		d.Params = []any{train, version}
	}
	return d
}

// ApplyUpdate installs a release, and restarts TrueNAS with it where reboot; without a
// version the newest, which is all that 25.04 can.
func (s Session) ApplyUpdate(version, train string, reboot bool) Deed {
	settings := map[string]any{"reboot": reboot}
	d := Deed{Method: "update.run", Params: []any{settings}, What: "the update", Look: lookAtSystem + " (its version, and whether it wants a restart)"}
	if !s.UpdateStatus {
		d.Method = "update.update"
	} else if version != "" {
		settings["train"], settings["version"] = train, version
	}
	return d
}
