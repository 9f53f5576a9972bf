package jsonscan_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/jsonscan"
)

func TestMembers(t *testing.T) {
	t.Parallel()
	const obj = " { \"a\" : 1 ,\n\"b\\n\":{\"x\":[1,\"]}\"]},\"\":\"\\\\\\\"}\", \"d\":null,\"e\":-1.5e3 }  "
	if err := jsonscan.Check([]byte(obj)); err != nil {
		t.Fatal(err)
	}
	type member struct{ key, value, whole string }
	var got []member
	for m := range jsonscan.Members([]byte(obj)) {
		got = append(got, member{string(m.Key), obj[m.Value.From:m.Value.To], string(m.Whole.Of([]byte(obj)))})
	}
	want := []member{
		{"a", "1", `"a" : 1`},
		{`b\n`, `{"x":[1,"]}"]}`, `"b\n":{"x":[1,"]}"]}`},
		{"", `"\\\"}"`, `"":"\\\"}"`},
		{"d", "null", `"d":null`},
		{"e", "-1.5e3", `"e":-1.5e3`},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(member{})); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestMembers_stopsAndYieldsNothing(t *testing.T) {
	t.Parallel()
	n := 0
	for range jsonscan.Members([]byte(`{"a":1,"b":2}`)) {
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d members after a break", n)
	}
	for _, in := range []string{``, ` `, `{}`, ` { } `, `[]`, `[1,2]`, `"a"`, `1`, `null`} {
		for m := range jsonscan.Members([]byte(in)) {
			t.Errorf("%q: member %q", in, m.Key)
		}
	}
}

func TestElements(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in   string
		want []string
	}{
		{`[]`, nil},
		{` [ ] `, nil},
		{``, nil},
		{`{"a":1}`, nil},
		{`[1]`, []string{"1"}},
		{" [ 1 , \"a,]\" ,[2,[3]],\n{\"a\":[4]},true ] ", []string{"1", `"a,]"`, "[2,[3]]", `{"a":[4]}`, "true"}},
	}
	for _, tt := range tests {
		var got []string
		for e := range jsonscan.Elements([]byte(tt.in)) {
			got = append(got, tt.in[e.From:e.To])
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", tt.in, diff)
		}
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	obj := []byte(`{"aa":0,"a":{"b":9},"\u0062":2,"😀":3}`)
	for name, want := range map[string]string{"a": `{"b":9}`, "b": "2", "aa": "0", "😀": "3", "": "-", "A": "-", `\u0062`: "-"} {
		got := "-"
		if m, ok := jsonscan.Find(obj, name); ok {
			got = string(m.Value.Of(obj))
		}
		if got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

func TestSkip(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in   string
		want int
		ok   bool
	}{
		{`1`, 1, true}, {` 12 ,`, 3, true}, {`-1.5e3]`, 6, true}, {`"a\"b"x`, 6, true}, {`"\\"x`, 4, true},
		{` {"a":"}"} ,`, 10, true}, {`[[],[]]]`, 7, true}, {`true}`, 4, true}, {"null\n", 4, true},
		{``, 0, false}, {`  `, 0, false}, {`"abc`, 0, false}, {`"abc\`, 0, false}, {`[1`, 0, false}, {`,1`, 0, false}, {`]`, 0, false},
	}
	for _, tt := range tests {
		if n, ok := jsonscan.Skip([]byte(tt.in)); n != tt.want || ok != tt.ok {
			t.Errorf("%q: %d, %v, want %d, %v", tt.in, n, ok, tt.want, tt.ok)
		}
	}
}

func TestIs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		key, name string
		is, folds bool
	}{
		{"name", "name", true, true},
		{"", "", true, true},
		{"name", "nam", false, false},
		{"nam", "name", false, false},
		{"name", "Name", false, true},
		{"NAME", "name", false, true},
		{`n\u0061me`, "name", true, true},
		{`n\u0041me`, "name", false, true},
		{`\u006e\u0061\u006d\u0065`, "name", true, true},
		{`\u006e\u0061\u006d`, "name", false, false},
		{`n\u0061mes`, "name", false, false},
		{`\n`, "\n", true, true},
		{`\n`, `\n`, false, false},
		{`\\n`, `\n`, true, true},
		{`\/`, "/", true, true},
		{`\"`, `"`, true, true},
		{`\ud83d\ude00`, "😀", true, true},
		{"é", "é", true, true},
		{"É", "é", false, true},
		{`\u00c9`, "é", false, true},
		{"param\u017f", "params", false, true}, // long s
		{`param\u017f`, "params", false, true},
		{`par\u0061m\u017F`, "PARAMS", false, true},
		{"to\u212aen", "token", false, true}, // Kelvin sign
		{`\u212A`, "k", false, true},
		{"params\u0000", "params", false, false},
		{`params\u0000`, "params", false, false},
		{"ß", "ss", false, false}, // full folding is nobody's
		{"\u0131d", "id", false, false},
		{"\u0130d", "id", false, false},
	}
	for _, tt := range tests {
		if got := jsonscan.Is([]byte(tt.key), tt.name); got != tt.is {
			t.Errorf("Is(%q, %q) = %v", tt.key, tt.name, got)
		}
		if got := jsonscan.FoldIs([]byte(tt.key), tt.name); got != tt.folds {
			t.Errorf("FoldIs(%q, %q) = %v", tt.key, tt.name, got)
		}
	}
}

// FoldIs agrees with what encoding/json really takes for a field.
func TestFoldIs_isEncodingJSON(t *testing.T) {
	t.Parallel()
	for r := rune(1); r < 0x20000; r++ {
		if r >= 0xd800 && r < 0xe000 || r < ' ' || r == '"' || r == '\\' {
			continue
		}
		key := "para" + string(r) + "s"
		folds := strings.EqualFold(key, "params") || strings.EqualFold(key, "parass") || strings.EqualFold(key, "paraks")
		if !folds && r%97 != 0 { // decoding each would take long
			continue
		}
		var v struct{ Params, Parass, Paraks int }
		if err := json.Unmarshal([]byte(`{"`+key+`":1}`), &v); err != nil {
			t.Fatal(err)
		}
		for name, taken := range map[string]int{"params": v.Params, "parass": v.Parass, "paraks": v.Paraks} {
			if got := jsonscan.FoldIs([]byte(key), name); got != (taken == 1) {
				t.Errorf("FoldIs(%q, %q) = %v, encoding/json took it: %v", key, name, got, taken == 1)
			}
		}
	}
}

func TestUnquote(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("long ", 100)
	for lit, want := range map[string]string{
		`""`: "", `"a"`: "a", `"\"\\\/\b\f\n\r\t"`: "\"\\/\b\f\n\r\t", `"\u00e9\ud83d\ude00"`: "é😀",
		`"` + long + `\n` + long + `"`: long + "\n" + long, `"\u0000"`: "\x00", `"é"`: "é",
	} {
		if got, ok := jsonscan.Unquote([]byte(lit)); !ok || got != want {
			t.Errorf("%s: %q, %v, want %q", lit, got, ok, want)
		}
	}
	for _, lit := range []string{``, `"`, `a`, `a"`, `"a`, `"a"b`, `"a" `, ` "a"`, `"\"`, `"\x"`, `"\ud800"`, `"\u12"`, "\"\n\"", "\"\xff\"", `1`, `null`} {
		if got, ok := jsonscan.Unquote([]byte(lit)); ok {
			t.Errorf("%q: accepted as %q", lit, got)
		}
	}
}

func TestAppendQuote(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": `""`, "a": `"a"`, `"\/`: `"\"\\/"`, "\b\f\n\r\t\x00\x1f\x7f": `"\b\f\n\r\t\u0000\u001f` + "\x7f" + `"`,
		"<>&'": `"<>&'"`, "é\u2028😀": "\"é\u2028😀\"", "a\xffb\xe2\x82": "\"a\ufffdb\ufffd\ufffd\"",
		"a plain beginning\nthen é\xff, \\ and an end": `"a plain beginning\nthen é` + "\ufffd" + `, \\ and an end"`,
	} {
		got := jsonscan.AppendQuote([]byte("x"), in)
		if string(got) != "x"+want {
			t.Errorf("%q: %s, want x%s", in, got, want)
		}
	}
}

func TestWalk_allocations(t *testing.T) {
	obj, arr := []byte(request), []byte(`[1,"a",{"b":[2]}]`)
	n := 0
	for name, f := range map[string]func(){
		"Members": func() {
			for m := range jsonscan.Members(obj) {
				n += m.Value.To
			}
		},
		"Elements": func() {
			for e := range jsonscan.Elements(arr) {
				n += e.To
			}
		},
		"Find": func() {
			if m, ok := jsonscan.Find(obj, "params"); ok {
				n += m.Value.To
			}
		},
		"Is":     func() { jsonscan.Is([]byte(`n\u0061me`), "name") },
		"FoldIs": func() { jsonscan.FoldIs([]byte(`n\u0061me`), "Name") },
	} {
		if got := testing.AllocsPerRun(100, f); got != 0 {
			t.Errorf("%s: %v allocations, want 0", name, got)
		}
	}
	if got := testing.AllocsPerRun(100, func() { jsonscan.Unquote([]byte(`"a\nb is longer than what fits a temporary"`)) }); got > 1 {
		t.Errorf("Unquote: %v allocations, want 1", got)
	}
}
