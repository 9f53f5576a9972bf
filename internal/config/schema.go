package config

import _ "embed" // config.schema.json

//go:embed config.schema.json
var schema []byte

// Schema is the JSON Schema of the configuration file, made of the types and
// comments of this package by its test (go test -update).
func Schema() []byte { return schema }
