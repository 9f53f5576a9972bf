//go:build !race

package puppeteer_test

// leastRatio is how many times as fast as the original's a click has to be.
const leastRatio = 3
