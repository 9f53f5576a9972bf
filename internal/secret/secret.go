// Package secret has the string that cannot be printed, and sealing.
//
// A String shows a fixed mask in every way Go can print it, so that a log line,
// an error or a dump of configuration cannot leak it by accident; Reveal is the
// one way out and easy to search for. With AES-256-GCM, Ring seals what the store
// keeps and Box what travels through clients.
package secret

import "log/slog"

// Mask is what a secret looks like to everybody.
const Mask = "***"

// String is a value that must never be shown.
type String struct{ v string }

// New wraps v.
func New(v string) String { return String{v} }

// Reveal returns the value. Call it where it leaves for the peer it belongs to.
func (s String) Reveal() string { return s.v }

// Empty tells whether there is no value.
func (s String) Empty() bool { return s.v == "" }

// String, GoString, LogValue, MarshalText and MarshalJSON all give the mask.
func (s String) String() string               { return Mask }
func (s String) GoString() string             { return Mask }
func (s String) LogValue() slog.Value         { return slog.StringValue(Mask) }
func (s String) MarshalText() ([]byte, error) { return []byte(Mask), nil }
func (s String) MarshalJSON() ([]byte, error) { return []byte(`"` + Mask + `"`), nil }
