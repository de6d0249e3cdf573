package request

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// MaxWebhooks is how many webhooks there may be.
const MaxWebhooks = 20

const maxWebhookHeaders = 200

// TooManyWebhooks tells that there is no room for another webhook.
func TooManyWebhooks() *meili.Error {
	return meili.NewError("invalid_webhooks", "Defining too many webhooks would crush the server. Please limit the number "+
		"of webhooks to 20. You may use a third-party proxy server to dispatch events to more than 20 endpoints.")
}

// CheckHeaders refuses a change that sets more headers than there may be; the
// server looks at this before it looks whether there is room for the webhook.
func (w *WebhookChange) CheckHeaders(uuid string) *meili.Error {
	if len(w.Headers) > maxWebhookHeaders {
		return tooManyHeaders(uuid)
	}
	return nil
}

// Apply gives the url and the headers a webhook has after the change. A new
// webhook is changed from no url and no headers.
func (w *WebhookChange) Apply(uuid, oldURL string, old map[string]string) (string, map[string]string, *meili.Error) {
	address := oldURL
	if w.URL.Sent {
		if w.URL.Value == nil {
			return "", nil, missingURL(uuid)
		}
		address = *w.URL.Value
	}
	headers := make(map[string]string, len(old)+len(w.Headers))
	if !w.Reset {
		for name, value := range old {
			headers[name] = value
		}
	}
	for _, header := range w.Headers {
		switch {
		case header.Value != nil:
			headers[header.Name] = *header.Value
		case oldURL == "": // a new webhook takes null for an empty value
			headers[header.Name] = ""
		default:
			delete(headers, header.Name)
		}
	}
	return address, headers, checkWebhook(uuid, address, headers)
}

func missingURL(uuid string) *meili.Error {
	return meili.NewError("invalid_webhook_url", "The URL for the webhook `%s` is missing.", uuid)
}

func tooManyHeaders(uuid string) *meili.Error {
	return meili.NewError("invalid_webhook_headers", "Too many headers for the webhook `%s`. Please limit the number of "+
		"headers to 200. Hint: To remove an already defined header set its value to `null`", uuid)
}

// ImmutableWebhook tells that the webhook of the command line cannot be changed.
func ImmutableWebhook(uuid string) *meili.Error {
	return meili.NewError("immutable_webhook", "Webhook `%s` is immutable. The webhook defined from the command line "+
		"cannot be modified using the API.", uuid)
}

// WebhookUUID reads the uuid in a webhook's path.
func WebhookUUID(text string) (string, *meili.Error) {
	uuid, wrong := ParseUUID(text)
	if wrong != "" {
		return "", meili.NewError("invalid_webhook_uuid", "Invalid UUID: %s", wrong)
	}
	return uuid, nil
}

func checkWebhook(uuid, address string, headers map[string]string) *meili.Error {
	if address == "" {
		return missingURL(uuid)
	}
	if len(headers) > maxWebhookHeaders {
		return tooManyHeaders(uuid)
	}
	for _, name := range sortedKeys(headers) {
		if !isToken(name) {
			return meili.NewError("invalid_webhook_headers", "Invalid header name `%s`: invalid HTTP header name", name)
		}
		for _, c := range []byte(headers[name]) {
			if c != '\t' && (c < 0x20 || c == 0x7f) {
				return meili.NewError("invalid_webhook_headers",
					"Invalid header value `%s`: failed to parse header value", name)
			}
		}
	}
	if wrong := urlError(address); wrong != "" {
		return meili.NewError("invalid_webhook_url", "Invalid URL `%s`: %s", address, wrong)
	}
	return nil
}

func urlError(address string) string {
	scheme, rest, ok := strings.Cut(address, ":")
	if !ok || !isScheme(scheme) {
		return "relative URL without a base"
	}
	switch strings.ToLower(scheme) {
	case "http", "https", "ws", "wss", "ftp":
	default:
		return ""
	}
	if strings.Trim(rest, "/\\") == "" {
		return "empty host"
	}
	parsed, err := url.Parse(scheme + "://" + strings.TrimLeft(rest, "/\\"))
	switch {
	case err != nil && strings.Contains(err.Error(), "port"):
		return "invalid port number"
	case err != nil:
		return "invalid international domain name"
	case parsed.Hostname() == "":
		return "empty host"
	}
	return ""
}

func isScheme(s string) bool {
	for i, c := range []byte(s) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (i == 0 || !('0' <= c && c <= '9' || c == '+' || c == '-' || c == '.')) {
			return false
		}
	}
	return s != ""
}

func sortedKeys(m map[string]string) []string {
	return slices.Sorted(maps.Keys(m))
}
