package records // internal: what a word is, is tested apart from what is found

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestFold(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Hello, World!":                  "hello world",
		"Straße ÆØ łódź cafe\u0301 Café": "strasse aeo lodz cafe cafe",
		"foo-bar_baz/v1.2":               "foo bar baz v1 2",
		"東京 タワー":                         "東京 タワー",
		"\u0301":                         "",
		strings.Repeat("x", 101) + " ok": "ok",
	} {
		if got := strings.Join(fold(text), " "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if n := len(strings.Join(fold(strings.Repeat("word ", 1<<20)), " ")); n > maxIndexed {
		t.Errorf("%d bytes of words, at most %d", n, maxIndexed)
	}
}

func TestPhrases(t *testing.T) {
	t.Parallel()
	for query, want := range map[string][][]string{
		`one two`:               {{"one"}, {"two"}},
		`a "b c" d`:             {{"a"}, {"b", "c"}, {"d"}},
		`"not closed`:           {{"not", "closed"}},
		`"" "!" x`:              {{"x"}},
		`"e-mail" AND ("x*" OR`: {{"e", "mail"}, {"and"}, {"x"}, {"or"}},
	} {
		if diff := cmp.Diff(want, phrases(query)); diff != "" {
			t.Errorf("%s:\n%s", query, diff)
		}
	}
}

func TestSnippet(t *testing.T) {
	t.Parallel()
	if got := snippet("Runs and ran, a runner.", []string{"running"}); got != "Runs and ran, a **runner**." {
		t.Errorf("words alike: %q", got)
	}
	if got := snippet("The invoices\n\n of  May", []string{"invoice"}); got != "The **invoices** of May" {
		t.Errorf("got %q", got)
	}
	if got := snippet("", []string{"x"}); got != "" {
		t.Errorf("got %q", got)
	}
	far := strings.Repeat("a lone fox. ", 100) + "the quick brown fox" + strings.Repeat(" end.", 100)
	if got := snippet(far, []string{"quick", "brown", "fox"}); !strings.Contains(got, "the **quick** **brown** **fox**") {
		t.Errorf("not where most words are: %q", got)
	}
}

func FuzzSnippet(f *testing.F) {
	f.Add("The quick brown fox", "quick fox")
	f.Add("日本語 é \xff", `"é`)
	f.Fuzz(func(t *testing.T, text, query string) {
		text = strings.ToValidUTF8(text, "?")
		var words []string
		for _, p := range phrases(query) {
			if len(p) == 0 {
				t.Fatalf("an empty phrase in %q", query)
			}
			words = append(words, p...)
		}
		got := snippet(text, words)
		if !utf8.ValidString(got) || len(got) > 8*snippetSize {
			t.Errorf("snippet of %q: %q", text, got)
		}
	})
}
