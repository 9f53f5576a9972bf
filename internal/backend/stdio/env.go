package stdio

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// basics are the variables that a command may see of our own environment.
// Everything else there, secrets above all, is not for children.
var basics = []string{
	"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR",
	"XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR",
	"SystemRoot", "TEMP", "TMP", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "PATHEXT",
}

// BaseEnv picks from an environment what every command gets, as NAME=value.
func BaseEnv(lookup func(string) (string, bool)) []string {
	var env []string
	for _, name := range basics {
		if v, ok := lookup(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// find resolves a command along the PATH that the process will have, which may
// differ from our own.
func find(command string, env []string) (string, error) {
	if strings.ContainsRune(command, filepath.Separator) {
		return command, nil
	}
	path, ok := "", false
	for _, e := range env {
		if v, is := strings.CutPrefix(e, "PATH="); is {
			path, ok = v, true
		}
	}
	if !ok {
		return exec.LookPath(command)
	}
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) {
			continue // a folder relative to wherever we happen to run
		}
		full := filepath.Join(dir, command)
		if info, err := os.Stat(full); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return full, nil
		}
	}
	return "", &exec.Error{Name: command, Err: exec.ErrNotFound}
}
