package jsonscan_test

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"

	"drawbridge/internal/jsonscan"
)

// accepted by RFC 8259 and by us; the names follow the y_ cases of JSONTestSuite.
var accepted = map[string]string{
	"array_empty":                    `[]`,
	"array_spaces":                   "[ \t\r\n]",
	"array_heterogeneous":            `[null, 1, "1", {}, [], true, false]`,
	"array_trailing_space":           `[2] `,
	"array_leading_space":            ` [1]`,
	"array_several_null":             `[1,null,null,null,2]`,
	"array_empty_string":             `[""]`,
	"object_empty":                   `{}`,
	"object_empty_key":               `{"":0}`,
	"object_simple":                  `{"a":[]}`,
	"object_spaces":                  " {\n\"a\"\t:\r\"b\" , \"c\" : 1 } ",
	"object_same_key_other_level":    `{"a":{"a":{"a":1}},"b":{"a":1}}`,
	"object_same_key_in_array":       `[{"a":1},{"a":1}]`,
	"object_key_differs_in_case":     `{"a":1,"A":2}`,
	"object_key_is_prefix":           `{"a":1,"aa":2,"":3}`,
	"object_key_escaped_once":        `{"\u0061":1,"b":2}`,
	"object_key_not_normalised":      `{"é":1,"e` + "\u0301" + `":2}`,
	"object_escaped_solidus_value":   `{"a":"\/"}`,
	"object_value_holds_nul":         `{"a":"\u0000"}`,
	"number_zero":                    `0`,
	"number_negative_zero":           `-0`,
	"number_after_space":             "[ 4]",
	"number_exponents":               `[0e1,0e+1,1E22,1E-2,1E+2,123e45,123.456e78]`,
	"number_fractions":               `[0.1,-0.000000000000000000000000000000000000000000000000000000000000000000000000000000001]`,
	"number_beyond_2_53":             `[9007199254740993,123456789012345678901234567890]`,
	"number_largest":                 `[1.7976931348623157e308,-1.7976931348623157e308]`,
	"number_underflow":               `[1e-400,123.456e-789,0e999999999999]`,
	"string_escapes":                 `["\"\\\/\b\f\n\r\t"]`,
	"string_unicode_escapes":         `["\u0060\u012a\u12AB\uffff\uFDD0"]`,
	"string_surrogate_pair":          `["\ud801\udc37","\uD83d\uDe39\uD83D\uDC8D"]`,
	"string_escaped_backslash_u":     `["\\u0000","\\a"]`,
	"string_utf8":                    "[\"\u00e9\u20ac\U0010ffff\u2028\u2029\ufffd\ufffe\"]",
	"string_del":                     "[\"\x7f\"]",
	"string_bom_inside":              "[\"\ufeff\"]",
	"structure_lonely_string":        `"asd"`,
	"structure_lonely_true":          `true`,
	"structure_lonely_false":         ` false `,
	"structure_lonely_null":          `null`,
	"structure_lonely_negative_real": `-0.1`,
	"structure_empty_string":         `""`,
	"structure_trailing_newline":     "[\"a\"]\n",
}

// refused by RFC 8259.
var refused = map[string]string{
	"array_1_true_without_comma":   `[1 true]`,
	"array_colon":                  `["": 1]`,
	"array_comma_after_close":      `[""],`,
	"array_comma_and_number":       `[,1]`,
	"array_double_comma":           `[1,,2]`,
	"array_double_extra_comma":     `["x",,]`,
	"array_extra_close":            `["x"]]`,
	"array_extra_comma":            `["",]`,
	"array_incomplete":             `["x"`,
	"array_inner_no_comma":         `[3[4]]`,
	"array_items_separated_by_dot": `[1.2.3]`,
	"array_just_comma":             `[,]`,
	"array_just_minus":             `[-]`,
	"array_star":                   `[*]`,
	"array_unclosed":               `[1`,
	"array_unclosed_comma":         `[1,`,
	"array_closed_as_object":       `[1}`,
	"incomplete_false":             `[fals]`,
	"incomplete_null":              `[nul]`,
	"incomplete_true":              `tru`,
	"word_case":                    `[True]`,
	"word_too_long":                `[nulll]`,
	"number_plus":                  `[+1]`,
	"number_double_minus":          `[--1]`,
	"number_leading_zero":          `[012]`,
	"number_minus_leading_zero":    `[-012]`,
	"number_double_zero":           `[00]`,
	"number_dot_first":             `[.5]`,
	"number_dot_last":              `[1.]`,
	"number_dot_exponent":          `[1.e3]`,
	"number_bare_exponent":         `[1e]`,
	"number_exponent_sign_only":    `[1e+]`,
	"number_exponent_two_signs":    `[1e+-3]`,
	"number_exponent_fraction":     `[1e3.5]`,
	"number_double_exponent":       `[1e3e3]`,
	"number_hex":                   `[0x42]`,
	"number_infinity":              `[Infinity]`,
	"number_negative_infinity":     `[-Infinity]`,
	"number_nan":                   `[NaN]`,
	"number_underscore":            `[1_000]`,
	"number_letter":                `[1a]`,
	"number_space":                 `[1 000]`,
	"number_full_width":            "[\uff11]",
	"number_ends_with_minus":       `1-`,
	"object_no_quotes":             `{a:1}`,
	"object_single_quotes":         `{'a':1}`,
	"object_number_key":            `{1:1}`,
	"object_bracket_key":           `{[:1}`,
	"object_comma_instead_colon":   `{"x",null}`,
	"object_double_colon":          `{"x"::"b"}`,
	"object_missing_value":         `{"a":`,
	"object_missing_colon":         `{"a" 1}`,
	"object_no_value":              `{"a":}`,
	"object_trailing_comma":        `{"a":1,}`,
	"object_two_commas":            `{"a":1,,"b":2}`,
	"object_leading_comma":         `{,"a":1}`,
	"object_unterminated":          `{"a":"a`,
	"object_closed_as_array":       `{"a":1]`,
	"object_key_with_repetition":   `{"a":"a" 123}`,
	"string_unescaped_newline":     "[\"new\nline\"]",
	"string_unescaped_tab":         "[\"\t\"]",
	"string_unescaped_nul":         "[\"\x00\"]",
	"string_unescaped_0x1f":        "[\"aaaaaaaa\x1f\"]",
	"string_single_quote":          `['a']`,
	"string_no_quotes":             `[a]`,
	"string_unterminated":          `"abc`,
	"string_escape_at_end":         `["\`,
	"string_escaped_quote_at_end":  `["\"`,
	"string_bad_escape":            `["\a"]`,
	"string_escape_x":              `["\x00"]`,
	"string_escape_big_u":          `["\U0041"]`,
	"string_escape_newline":        "[\"\\\n\"]",
	"string_escape_utf8":           "[\"\\\u00e9\"]",
	"string_incomplete_hex":        `["\u00A"]`,
	"string_hex_not_hex":           `["\u00G0"]`,
	"string_hex_sign":              `["\u+041"]`,
	"structure_nothing":            ``,
	"structure_space_only":         " \n",
	"structure_bom":                "\ufeff{}",
	"structure_bom_only":           "\ufeff",
	"structure_two_values":         `{} {}`,
	"structure_trailing_hash":      `{}#`,
	"structure_trailing_brace":     `{}}`,
	"structure_comment":            `{"a":1}/**/`,
	"structure_comment_inside":     `[1,/* */2]`,
	"structure_nul_after":          "{}\x00",
	"structure_formfeed":           "[\f]",
	"structure_nbsp":               "[\u00a0]",
	"structure_word_joiner":        "[\u2060]",
	"structure_open_brace":         `{`,
	"structure_open_bracket":       `[`,
	"structure_close":              `]`,
	"structure_colon":              `:`,
	"structure_deep_open":          strings.Repeat("[", 100_000),
	"structure_deep_open_objects":  strings.Repeat(`{"":`, 100_000),
}

// refusedByUs is where RFC 8259 leaves a choice (the i_ cases) and we refuse, in
// answers of backends too.
var refusedByUs = map[string]string{
	"invalid utf-8":              "[\"\xff\"]",
	"utf-8 alone":                "[\"\x80\"]",
	"utf-8 overlong":             "[\"\xc0\xaf\"]",
	"utf-8 overlong six":         "[\"\xfc\x83\xbf\xbf\xbf\xbf\"]",
	"utf-8 surrogate":            "[\"\xed\xa0\x80\"]",
	"utf-8 beyond U+10FFFF":      "[\"\xf4\x90\x80\x80\"]",
	"utf-8 cut off":              "[\"\xe2\x82\"]",
	"utf-8 cut off by the end":   "[\"\xf0\x9f\x98",
	"utf-8 in a key":             "{\"\xff\":1}",
	"utf-8 after eight letters":  "[\"abcdefgh\xff\"]",
	"latin 1":                    "[\"caf\xe9\"]",
	"utf-16":                     "[\x00\"\x00a\x00\"\x00]\x00",
	"lone high surrogate":        `["\ud800"]`,
	"lone low surrogate":         `["\uDC00"]`,
	"high surrogate and text":    `["\ud800abc"]`,
	"high surrogate and escape":  `["\ud800\n"]`,
	"high surrogate and letter":  `["\ud800\u0041"]`,
	"two high surrogates":        `["\ud800\ud800\udc00"]`,
	"surrogates in reverse":      `["\udc00\ud800"]`,
	"lone surrogate in a key":    `{"\ud800":1}`,
	"lone surrogate at the end":  `["\ud800`,
	"lone surrogate and u":       `["\ud800u"]`,
	"NUL in a key":               `{"a\u0000":1}`,
	"NUL alone as key":           `{"\u0000":1}`,
	"number 1e400":               `[1e400]`,
	"number -1e400":              `{"a":-1e400}`,
	"number 1e309":               `1e309`,
	"number just above":          `1.7976931348623159e308`,
	"number written out":         `[1` + strings.Repeat("0", 309) + `]`,
	"number with huge exponent":  `[1e9999999999999999999999999]`,
	"number with long exponent":  `[0.1e00000000000000000000400]`,
	"number behind many zeros":   `[0.` + strings.Repeat("0", 1000) + `1e2000]`,
	"number with many digits":    `[` + strings.Repeat("123", 103) + `e1]`,
	"deeper than any":            nested(513, "[", "]"),
	"deeper than any of objects": nested(513, `{"a":`, "}"),
}

// ambiguous is what Check refuses and Valid lets through.
var ambiguous = map[string]string{
	"key twice":                  `{"a":1,"a":1}`,
	"key twice deep down":        `[1,{"x":[{"b":{"a":1,"b":2,"a":3}}]}]`,
	"key twice after an object":  `{"a":{"b":1,"c":{"b":2}},"d":1,"a":2}`,
	"empty key twice":            `{"":1,"":2}`,
	"key twice, once escaped":    `{"a":1,"\u0061":2}`,
	"key twice, escaped first":   `{"\u0061":1,"a":2}`,
	"key twice, both escaped":    `{"\u006eame":1,"n\u0061me":2}`,
	"key twice, short escapes":   `{"\/\n":1,"/\u000a":2}`,
	"key twice, hex of any case": `{"\u00e9\u00E9":1,"é\u00e9":2}`,
	"key twice, surrogate pair":  `{"\ud83d\ude00":1,"😀":2}`,
	"key twice, first and last":  manyNames(16, `"k0"`),
	"key twice of 17":            manyNames(17, `"k3"`),
	"key twice of 64":            manyNames(64, `"k63"`),
	"key twice of 1000":          manyNames(1000, `"k500"`),
	"key twice of 1000, escaped": manyNames(1000, `"\u006b500"`),
	"params twice":               `{"jsonrpc":"2.0","method":"tools/call","params":{"name":"a"},"params":{"name":"b"}}`,
	"name twice":                 `{"params":{"name":"a","arguments":{},"name":"b"}}`,
	"deeper than 64":             nested(65, "[", "]"),
	"deeper than 64 of objects":  nested(65, `{"a":`, "}"),
}

// manyNames is an object of n keys and one more.
func manyNames(n int, last string) string {
	var b strings.Builder
	b.WriteByte('{')
	for i := range n {
		fmt.Fprintf(&b, `"k%d":%d,`, i, i)
	}
	return b.String() + last + ":0}"
}

func nested(depth int, opening, closing string) string {
	return strings.Repeat(opening, depth) + "1" + strings.Repeat(closing, depth)
}

func TestCheck_accepts(t *testing.T) {
	t.Parallel()
	for name, in := range accepted {
		if err := jsonscan.Check([]byte(in)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := jsonscan.Valid([]byte(in)); err != nil {
			t.Errorf("%s: Valid: %v", name, err)
		}
	}
	for name, in := range map[string]string{
		"depth 64":              nested(64, "[", "]"),
		"depth 64 of objects":   nested(64, `{"a":`, "}"),
		"16 keys":               manyNames(15, `"x"`),
		"17 keys":               manyNames(16, `"x"`),
		"many keys":             manyNames(10_000, `"x"`),
		"many keys, escaped":    manyNames(10_000, `"\u006b"`),
		"many objects of 20":    "[" + strings.Repeat(manyNames(20, `"x"`)+",", 100) + "1]",
		"deep objects of 20":    strings.Repeat(strings.TrimSuffix(manyNames(20, `"x"`), "0}"), 60) + "1" + strings.Repeat("}", 60),
		"200 keys around 200":   `{"outer":` + manyNames(200, `"x"`) + "," + manyNames(200, `"x"`)[1:],
		"a request as sent":     request,
		"a long list":           string(tools(100_000)),
		"a long text of one":    string(textResult(100_000, "你好 Zwölf ")),
		"an array of 2 numbers": `[1,2]`,
	} {
		if err := jsonscan.Check([]byte(in)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheck_refuses(t *testing.T) {
	t.Parallel()
	for _, cases := range []map[string]string{refused, refusedByUs, ambiguous} {
		for name, in := range cases {
			wantError(t, name, in, jsonscan.Check([]byte(in)))
		}
	}
}

func TestValid_refuses(t *testing.T) {
	t.Parallel()
	for _, cases := range []map[string]string{refused, refusedByUs} {
		for name, in := range cases {
			wantError(t, name, in, jsonscan.Valid([]byte(in)))
		}
	}
	for name, in := range ambiguous {
		if err := jsonscan.Valid([]byte(in)); err != nil {
			t.Errorf("%s: Valid: %v", name, err)
		}
	}
	if err := jsonscan.Valid([]byte(nested(512, `{"a":[`, "]}")[3*512:])); err == nil {
		t.Error("unbalanced input accepted")
	}
	if err := jsonscan.Valid([]byte(nested(256, `{"a":[`, "]}"))); err != nil {
		t.Errorf("depth 512: %v", err)
	}
}

func wantError(t *testing.T, name, in string, err error) {
	t.Helper()
	var e *jsonscan.Error
	if !errors.As(err, &e) {
		t.Errorf("%s: error %v, want an *Error", name, err)
		return
	}
	if e.Offset < 0 || e.Offset > len(in) {
		t.Errorf("%s: offset %d of %d bytes", name, e.Offset, len(in))
	}
}

func TestCheck_errorSaysWhereAndWhy(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in     string
		offset int
		reason string
	}{
		{``, 0, "unexpected end"},
		{`{"a":1`, 6, "unexpected end"},
		{`{"a":1,"b":2,"a":3}`, 13, "duplicate key"},
		{`[1e400]`, 1, "number too large for a float64"},
		{`["abc` + "\xff" + `"]`, 5, "invalid UTF-8"},
		{`["\ud800"]`, 2, "lone surrogate escape"},
		{`["\x"]`, 3, "invalid escape"},
		{`["\u00x0"]`, 6, "invalid escape"},
		{`{"a\u0000":1}`, 3, "NUL in a key"},
		{"[\"\n\"]", 2, "control character in a string"},
		{`{} x`, 3, "something follows the value"},
		{`[01]`, 2, "invalid number"},
		{`{"a" 1}`, 5, "expected a colon"},
		{`{"a":1 "b"}`, 7, "expected a comma or a closing brace"},
		{`[1 2]`, 3, "expected a comma or a closing bracket"},
		{`{1:2}`, 1, "expected a key"},
		{`[nan]`, 2, "expected a value"},
		{nested(65, "[", "]"), 64, "nested too deep"},
	}
	for _, tt := range tests {
		var e *jsonscan.Error
		if err := jsonscan.Check([]byte(tt.in)); !errors.As(err, &e) || e.Offset != tt.offset || e.Reason != tt.reason {
			t.Errorf("%.40q: %v, want %q at %d", tt.in, err, tt.reason, tt.offset)
		} else if want := fmt.Sprintf("JSON at byte %d: %s", tt.offset, tt.reason); e.Error() != want {
			t.Errorf("%.40q: text %q, want %q", tt.in, e.Error(), want)
		}
	}
}

// Around the number that no longer rounds to the largest float64, in several
// spellings, both gates say what strconv says.
func TestCheck_largestNumber(t *testing.T) {
	t.Parallel()
	limit := new(big.Int).Lsh(big.NewInt(1), 1024)
	limit.Sub(limit, new(big.Int).Lsh(big.NewInt(1), 970))
	for d := int64(-2); d <= 2; d++ {
		digits := new(big.Int).Add(limit, big.NewInt(d)).String()
		for _, number := range []string{
			digits, "-" + digits, digits + ".0", digits + ".00001", digits + "0e-1", digits + "e0", digits + "e-1", digits + "e1",
			digits[:1] + "." + digits[1:] + "e308", "0." + digits + "E+309", "0.000" + digits + "e312",
			digits[:100] + "." + digits[100:] + "e209", digits[:308], digits[:308] + "e1", digits[:308] + ".9e1", digits[:17] + "e292",
		} {
			_, err := strconv.ParseFloat(number, 64)
			if got := jsonscan.Check([]byte(number)); (got == nil) != (err == nil) {
				t.Errorf("limit%+d as %.30s...: %v, strconv says %v", d, number, got, err)
			}
			if _, _, got := new(jsonscan.Stream).Write([]byte(number + " ")); (got == nil) != (err == nil) {
				t.Errorf("limit%+d as %.30s...: stream %v, strconv says %v", d, number, got, err)
			}
		}
	}
	if err := jsonscan.Check(strconv.AppendFloat(nil, math.MaxFloat64, 'f', -1, 64)); err != nil {
		t.Errorf("the largest number: %v", err)
	}
}

func TestCheck_allocations(t *testing.T) {
	small, list, members := []byte(request), tools(64<<10), []byte(manyNames(15, `"\u0078"`))
	inArray := []byte("[" + strings.Repeat(manyNames(25, `"x"`)+",", 10) + "1]")
	for name, f := range map[string]func() error{
		"Check of a request":           func() error { return jsonscan.Check(small) },
		"Check of a list":              func() error { return jsonscan.Check(list) },
		"Check of 16 keys":             func() error { return jsonscan.Check(members) },
		"Check of objects of 26 keys":  func() error { return jsonscan.Check(inArray) },
		"Valid of a list":              func() error { return jsonscan.Valid(list) },
		"Valid of objects of 26 keys":  func() error { return jsonscan.Valid(inArray) },
		"Stream of a list":             func() error { return stream32K(list) },
		"Stream of objects of 26 keys": func() error { return stream32K(inArray) },
	} {
		got := testing.AllocsPerRun(100, func() {
			if err := f(); err != nil {
				t.Fatal(err)
			}
		})
		if got != 0 {
			t.Errorf("%s: %v allocations, want 0", name, got)
		}
	}
}

// A hostile body of a million keys takes for each byte about what one of ten
// thousand takes; comparing each key with each would take a hundred times as long.
func TestCheck_manyKeysStayLinear(t *testing.T) {
	small, big := manyKeys(100_000), manyKeys(8<<20)
	perByte := func(b []byte, rounds int) time.Duration {
		best := time.Duration(math.MaxInt64)
		for range rounds {
			start := time.Now()
			if err := jsonscan.Check(b); err != nil {
				t.Fatal(err)
			}
			best = min(best, time.Since(start))
		}
		return best * 1_000_000 / time.Duration(len(b))
	}
	if few, many := perByte(small, 20), perByte(big, 3); many > 20*few {
		t.Errorf("a million keys take %v for each megabyte, ten thousand %v", many, few)
	}
}
