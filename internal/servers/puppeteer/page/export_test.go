package page

// For tests.
var Plain = plain
