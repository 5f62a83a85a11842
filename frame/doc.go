// Package frame is the WebSocket protocol as bytes.
package frame
