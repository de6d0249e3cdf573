package settings

import "strings"

// languages pairs the two-letter and the three-letter names of languages.
const languages = `
af:afr ak:aka am:amh ar:ara az:aze be:bel bn:ben bg:bul ca:cat cs:ces da:dan de:deu el:ell en:eng eo:epo et:est
fi:fin fr:fra gu:guj he:heb hi:hin hr:hrv hu:hun hy:hye id:ind it:ita jv:jav ja:jpn kn:kan ka:kat km:khm ko:kor
la:lat lv:lav lt:lit ml:mal mr:mar mk:mkd my:mya ne:nep nl:nld nb:nob or:ori pa:pan fa:pes pl:pol pt:por ro:ron
ru:rus si:sin sk:slk sl:slv sn:sna es:spa sr:srp sv:swe ta:tam te:tel tl:tgl th:tha tk:tuk tr:tur uk:ukr ur:urd
uz:uzb vi:vie yi:yid zh:zho zu:zul
`

// locales are the names of languages in the order of messages: the short ones,
// then the long ones. longName gives a short name's long one, which is what the
// server remembers.
var locales, longName = func() ([]string, map[string]string) {
	var short, long []string
	names := make(map[string]string)
	for _, pair := range strings.Fields(languages) {
		two, three, _ := strings.Cut(pair, ":")
		short, long = append(short, two), append(long, three)
		names[two] = three
	}
	return append(append(short, long...), "cmn"), names
}()

// Locales lists the names of languages in the order of messages.
func Locales() []string { return locales }
