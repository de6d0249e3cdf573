package meili

import (
	"strconv"
	"strings"
)

// IndexNotFound tells that there is no index of that uid.
func IndexNotFound(uid string) *Error {
	return NewError("index_not_found", "Index `%s` not found.", uid)
}

// IndexesNotFound tells that there are no indexes of those uids, as a swap does.
func IndexesNotFound(uids ...string) *Error {
	if len(uids) == 1 {
		return IndexNotFound(uids[0])
	}
	return NewError("index_not_found", "Indexes `%s` not found.", strings.Join(uids, "`, `"))
}

// IndexAlreadyExists tells that an index of that uid exists.
func IndexAlreadyExists(uid string) *Error {
	return NewError("index_already_exists", "Index `%s` already exists.", uid)
}

// InvalidIndexUID tells that uid cannot name an index.
func InvalidIndexUID(uid string) *Error {
	return NewError("invalid_index_uid", "%s", IndexUIDMessage(uid))
}

// IndexUIDMessage is what is said of a uid that cannot name an index.
func IndexUIDMessage(uid string) string {
	return "`" + uid + "` is not a valid index uid. Index uid can be an integer or a string containing only " +
		"alphanumeric characters, hyphens (-) and underscores (_), and can not be more than 512 bytes."
}

// DocumentNotFound tells that the index has no document of that id.
func DocumentNotFound(id string) *Error {
	return NewError("document_not_found", "Document `%s` not found.", id)
}

// TaskNotFound tells that there is no task of that uid.
func TaskNotFound(uid string) *Error { return NewError("task_not_found", "Task `%s` not found.", uid) }

// BatchNotFound tells that there is no batch of that uid.
func BatchNotFound(uid string) *Error {
	return NewError("batch_not_found", "Batch `%s` not found.", uid)
}

// InvalidTaskUID tells that the uid in a task's path is not a number.
func InvalidTaskUID(uid string) *Error {
	return NewError("invalid_task_uids", "Task uid `%s` is invalid. It should only contain numeric characters.", uid)
}

// InvalidBatchUID tells that the uid in a batch's path is not a number.
func InvalidBatchUID(uid string) *Error {
	return NewError("invalid_batch_uids", "Batch uid `%s` is invalid. It should only contain numeric characters.", uid)
}

// InvalidAPIKey tells that the token gives no right to what was asked.
func InvalidAPIKey() *Error {
	return NewError("invalid_api_key", "The provided API key is invalid.")
}

// MissingAuthorizationHeader tells that no bearer token was sent.
func MissingAuthorizationHeader() *Error {
	return NewError("missing_authorization_header",
		"The Authorization header is missing. It must use the bearer authorization method.")
}

// MissingMasterKey tells that key routes need a master key.
func MissingMasterKey() *Error {
	return NewError("missing_master_key", "Meilisearch is running without a master key. To access this API endpoint, "+
		"you must have set a master key at launch.")
}

// APIKeyNotFound tells that there is no API key of that uid or value.
func APIKeyNotFound(uid string) *Error {
	return NewError("api_key_not_found", "API key `%s` not found.", uid)
}

// APIKeyAlreadyExists tells that an API key of that uid exists.
func APIKeyAlreadyExists(uid string) *Error {
	return NewError("api_key_already_exists", "`uid` field value `%s` is already an existing API key.", uid)
}

// PayloadTooLarge tells that a body is longer than limit bytes.
func PayloadTooLarge(limit int64) *Error {
	return NewError("payload_too_large",
		"The provided payload reached the size limit. The maximum accepted payload size is %s.", FormatSize(limit))
}

// FormatSize writes a number of bytes as the server does for its limits: in
// binary units when it is a multiple of 1024, else in decimal ones.
func FormatSize(n int64) string {
	base, units := 1000.0, []string{"B", "KB", "MB", "GB", "TB", "PB", "EB"}
	if n != 0 && n%1024 == 0 {
		base, units = 1024.0, []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	}
	value, unit := float64(n), 0
	for value >= base && unit < len(units)-1 {
		value /= base
		unit++
	}
	text := strconv.FormatFloat(value, 'f', 2, 64)
	text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	return text + " " + units[unit]
}

// IncompletePayload tells that the body ended before its announced length.
func IncompletePayload() *Error {
	return NewError("bad_request", "The provided payload is incomplete and cannot be parsed")
}

// MissingPayload tells that there is no body; format is json, ndjson or csv.
func MissingPayload(format string) *Error {
	return NewError("missing_payload", "A %s payload is missing.", format)
}

// MalformedJSON tells that the body of a JSON route is not JSON; reason is the parser's.
func MalformedJSON(reason string) *Error {
	return NewError("malformed_payload", "The json payload provided is malformed. `%s`.", reason)
}

// MalformedDocuments tells that a JSON or NDJSON body of documents is broken;
// reason is the parser's. The server cuts long reasons in their middle.
func MalformedDocuments(format, reason string) *Error {
	return NewError("malformed_payload", "The `%s` payload provided is malformed. `Couldn't serialize document value: %s`.",
		format, shorten(reason))
}

// shorten keeps 50 bytes from the start of a parser's message and 85 from its end.
func shorten(s string) string {
	const head, tail, mark = 50, 85, "..."
	if len(s) <= head+tail+len(mark) {
		return s
	}
	return strings.ToValidUTF8(s[:head], "") + mark + strings.ToValidUTF8(s[len(s)-tail:], "")
}

// MalformedCSV tells that a CSV body of documents is broken; reason is the reader's.
func MalformedCSV(reason string) *Error {
	return NewError("malformed_payload", "The `csv` payload provided is malformed: `%s`.", reason)
}

// InvalidDocumentID tells that a document's id cannot be one; raw is its JSON.
func InvalidDocumentID(raw string) *Error {
	return NewError("invalid_document_id", "%s", DocumentIDMessage(raw))
}

// DocumentIDMessage is what is said of an id that cannot be one; raw is its JSON.
func DocumentIDMessage(raw string) string {
	return "Document identifier `" + raw + "` is invalid. A document identifier can be of type integer or string, " +
		"only composed of alphanumeric characters (a-z A-Z 0-9), hyphens (-) and underscores (_), " +
		"and can not be more than 511 bytes."
}

// MissingDocumentID tells that a document lacks its primary key; document is its JSON.
func MissingDocumentID(primaryKey, document string) *Error {
	return NewError("missing_document_id", "Document doesn't have a `%s` attribute: `%s`.", primaryKey, document)
}

// PrimaryKeyNoCandidate tells that no field's name ends with id.
func PrimaryKeyNoCandidate() *Error {
	return NewError("index_primary_key_no_candidate_found", "The primary key inference failed as the engine did not "+
		"find any field ending with `id` in its name. Please specify the primary key manually using the "+
		"`primaryKey` query parameter.")
}

// PrimaryKeyMultipleCandidates tells that n fields' names end with id, a and b
// the first two of them.
func PrimaryKeyMultipleCandidates(n int, a, b string) *Error {
	return NewError("index_primary_key_multiple_candidates_found", "The primary key inference failed as the engine "+
		"found %d fields ending with `id` in their names: '%s' and '%s'. Please specify the primary key manually "+
		"using the `primaryKey` query parameter.", n, a, b)
}

// PrimaryKeyAlreadyExists tells that the index's primary key is already another.
func PrimaryKeyAlreadyExists(primaryKey string) *Error {
	return NewError("index_primary_key_already_exists", "Index already has a primary key: `%s`.", primaryKey)
}

// WebhookNotFound tells that there is no webhook of that uuid.
func WebhookNotFound(uuid string) *Error {
	return NewError("webhook_not_found", "Webhook `%s` not found.", uuid)
}

// TooManySearches tells that the search queue is full.
func TooManySearches(limit int) *Error {
	return NewError("too_many_search_requests",
		"Too many search requests running at the same time: %d. Retry after 10s.", limit)
}

// feature is how messages name an experimental feature and where it is discussed.
type feature struct{ label, link string }

const discussions = "https://github.com/orgs/meilisearch/discussions/"

var featureWords = map[string]feature{
	"metrics":                  {"metrics", "https://github.com/meilisearch/product/discussions/625"},
	"logsRoute":                {"logs route", discussions + "721"},
	"editDocumentsByFunction":  {"edit documents by function", discussions + "762"},
	"containsFilter":           {"contains filter", discussions + "763"},
	"network":                  {"network", discussions + "805"},
	"getTaskDocumentsRoute":    {"get task documents route", discussions + "808"},
	"compositeEmbedders":       {"composite embedders", discussions + "816"},
	"chatCompletions":          {"chat completions", discussions + "835"},
	"multimodal":               {"multimodal", discussions + "846"},
	"personalization":          {"personalization", discussions + "866"},
	"foreignKeys":              {"foreign_keys", discussions + "873"},
	"taskQueueCompactionRoute": {"task queue compaction route", discussions + "883"},
	"dynamicSearchRules":       {"dynamic search rules", discussions + "884"},
	"renderRoute":              {"render_route", discussions + "888"},
}

// FeatureNotEnabled tells that doing action needs the feature of that name; the
// name is one of FeatureNames, or "personalization".
func FeatureNotEnabled(action, name string) *Error {
	return NewError("feature_not_enabled", "%s", FeatureMessage(action, name))
}

// FeatureMessage is the text of FeatureNotEnabled, which other errors embed.
func FeatureMessage(action, name string) string {
	words := featureWords[name]
	return action + " requires enabling the `" + words.label + "` experimental feature. See " + words.link
}
