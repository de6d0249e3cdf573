// Package request reads the bodies and query strings of Meilisearch's API, and
// refuses bad ones in the server's words.
//
// Functions that take a body expect it whole and decompressed. Checks that need
// an index, such as whether an attribute is filterable, are not made here; where
// the server makes a check of the request alone only after it has looked at the
// index, there is a method for it, so that callers can keep the server's order.
package request
