// Package web is what all HTTP handlers of ours share: bodies are read strictly,
// errors become problem documents (RFC 9457), and one table of routes makes both
// the router and the published OpenAPI document.
package web
