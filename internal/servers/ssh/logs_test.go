package ssh_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A log that is not there is no log without errors in it, however it is looked at.
func TestTailLog_missing(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	c := s.client(t, "anna")
	if err := os.WriteFile(filepath.Join(s.web1.Home, "it's a log"), []byte("fine\nan error\nfine\nan error at last\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	refused := func(path, how string) {
		t.Helper()
		text := c.Refused(t, "tail_log", `{"host":"web1","path":"`+path+`"`+how+`}`)
		if !strings.Contains(text, "There is no file "+path+" on web1") {
			t.Errorf("%s%s: %s", path, how, text)
		}
	}
	for _, path := range []string{"~/none.log", "/etc", "/etc/shadow"} {
		for _, how := range []string{``, `,"grep":"error"`, `,"follow_seconds":1`, `,"follow_seconds":1,"grep":"error"`} {
			refused(path, how)
		}
	}
	refused("/proc/self/mem", `,"grep":"error"`) // may be opened, and not be read
	for _, look := range []struct{ how, want string }{
		{``, "fine\nan error\nfine\nan error at last\n"},
		{`,"grep":"error"`, "an error\nan error at last\n"},
		{`,"grep":"error","lines":1`, "an error at last\n"},
		{`,"grep":"disaster"`, ""},
		{`,"grep":"error","follow_seconds":1`, "an error\nan error at last\n"},
	} {
		var out struct{ Lines string }
		c.Must(t, "tail_log", `{"host":"web1","path":"~/it's a log"`+look.how+`}`, &out)
		if out.Lines != look.want {
			t.Errorf("%s: %q", look.how, out.Lines)
		}
	}
}
