//go:build race

package gatewaytest_test

// raceDetector tells that stacks are larger than in the program as it is built.
const raceDetector = true
