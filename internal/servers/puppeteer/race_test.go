//go:build race

package puppeteer_test

// leastRatio is how many times as fast as the original's a click has to be. The race
// detector slows our side alone.
const leastRatio = 1.5
