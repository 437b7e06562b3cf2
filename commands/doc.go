// Package commands is the write side: it turns requests into commands and
// commands into events.
//
// Execute is the heart: it folds the stream of a command into a state, lets the
// command decide, and appends what it decided at the revision it decided on.
// Writer is what Execute works with; World is what it knows of the time; API
// puts the catalogue of commands on HTTP.
package commands
