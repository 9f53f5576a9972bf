package tree_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/config/tree"
)

func TestDotenv(t *testing.T) {
	t.Parallel()
	type line struct {
		Value string
		Line  int
	}
	for _, tt := range []struct {
		name, file string
		want       map[string]line
		faults     int
	}{
		{"plain", "A=b\nC = d e \n", map[string]line{"A": {"b", 1}, "C": {"d e", 2}}, 0},
		{"windows", "\ufeffA=b\r\nC='d'\r\n", map[string]line{"A": {"b", 1}, "C": {"d", 2}}, 0},
		{"comments", "# A=b\n\nC=d#e #f\nG=#\nH=\"i # j\" # k\n", map[string]line{"C": {"d#e", 3}, "G": {"", 4}, "H": {"i # j", 5}}, 0},
		{"export", "export A=b", map[string]line{"A": {"b", 1}}, 0},
		{"single quotes", `A='b\n$C"'`, map[string]line{"A": {`b\n$C"`, 1}}, 0},
		{"double quotes", `A="b\n\t\"\\\$\x'"`, map[string]line{"A": {"b\n\t\"\\$\\x'", 1}}, 0},
		{"lines", "A=\"b\nc\n\"\nD='e\nf' # g\nH=i", map[string]line{"A": {"b\nc\n", 1}, "D": {"e\nf", 4}, "H": {"i", 6}}, 0},
		{"dollar", "A=$B${C}$$", map[string]line{"A": {"$B${C}$$", 1}}, 0},
		{"later wins", "A=b\nA=c", map[string]line{"A": {"c", 2}}, 0},
		{"no name", "=b\nA\nb c=d\nE=f", map[string]line{"E": {"f", 4}}, 3},
		{"open quote", "A=\"b\nC=d", map[string]line{"C": {"d", 2}}, 1},
		{"after the quote", "A=\"b\"c\nC=d", map[string]line{"C": {"d", 2}}, 1},
		{"nothing", "", map[string]line{}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			vars, faults := tree.Dotenv(".env", []byte(tt.file))
			got := map[string]line{}
			for name, n := range vars {
				got[name] = line{n.Text, n.At.Line}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if len(faults) != tt.faults {
				t.Errorf("%d faults, want %d: %v", len(faults), tt.faults, faults)
			}
		})
	}
}

func TestDidYouMean(t *testing.T) {
	t.Parallel()
	known := []string{"listen", "state_dir", "log", "limits"}
	for name, want := range map[string]string{
		"lisen": "listen", "stateDir": "state_dir", "STATE-DIR": "state_dir", "limit": "limits", "lgo": "", "zzz": "", "": "",
	} {
		got := tree.DidYouMean(name, known)
		if want != "" {
			want = " (did you mean " + want + "?)"
		}
		if got != want {
			t.Errorf("DidYouMean(%q) = %q, want %q", name, got, want)
		}
	}
}
