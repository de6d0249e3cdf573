package decode

import "github.com/miroir-gateway/miroir/miroircore/meili"

// ParseBody reads the body of a JSON route; an empty body, and one that is not
// JSON, are refused as the server does.
func ParseBody(body []byte) (*Value, *meili.Error) {
	v, err := Parse(body)
	if err == nil {
		return &v, nil
	}
	if err.EOF() && err.Line == 1 && err.Column == 0 {
		return nil, meili.MissingPayload("json")
	}
	return nil, meili.MalformedJSON(err.Error())
}
