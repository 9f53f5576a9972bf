package budget_test

import (
	"regexp"
	"strconv"
	"testing"

	"drawbridge/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// The budget of what every process carries, whatever it is used for, in bytes.
const (
	maxInit        = 4 << 20
	maxPackageInit = 1 << 20
)

// initLine is what the runtime says of a package (GODEBUG=inittrace=1).
var initLine = regexp.MustCompile(`(?m)^init (\S+) @\S+ ms, \S+ ms clock, (\d+) bytes`)

// Packages are compiled in and mostly idle: what they make before main, such as a
// regular expression that counts to 140, is paid by everybody.
func TestStart_costsLittle(t *testing.T) {
	t.Parallel()
	out, err := harness.Command(t, harness.Binary(t), []string{"version"}, "GODEBUG=inittrace=1").CombinedOutput()
	lines := initLine.FindAllSubmatch(out, -1)
	if err != nil || len(lines) < 50 {
		t.Fatalf("%v, %d packages: %.2000s", err, len(lines), out)
	}
	sum := 0
	for _, l := range lines {
		n, err := strconv.Atoi(string(l[2]))
		if err != nil {
			t.Fatal(err)
		}
		if sum += n; n > maxPackageInit {
			t.Errorf("%s makes %d bytes before main", l[1], n)
		}
	}
	t.Logf("%d packages make %d bytes before main", len(lines), sum)
	if sum > maxInit {
		t.Errorf("%d bytes are made before main, more than %d", sum, maxInit)
	}
}
