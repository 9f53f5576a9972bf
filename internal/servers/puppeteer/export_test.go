package puppeteer

// NewOn is New with the network of a test.
var NewOn = newServer
