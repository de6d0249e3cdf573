package document

import (
	"bytes"
	"math"
	"math/big"
	"strconv"

	"github.com/miroir-gateway/miroir/miroircore/meili/decode"
)

// The server reads a float from its digits and a power of ten, rounding twice:
// what it shows of a number is not always read back as that number. A copy
// made of what one node shows would differ in the last place on the next, and
// again on the one after it. So where that would happen the number is spelled
// with other digits, which are read as the number that was shown.

const (
	// exactDigits is how many digits the server reads without rounding them,
	// mostDigits how many it reads at all.
	exactDigits = 15
	mostDigits  = 20
)

// appendRespelled appends a value with the numbers in it spelled anew where
// need be.
func appendRespelled(dst, value []byte) []byte {
	switch c := value[0]; {
	case c == '-' || isDigit(c):
		return appendNumber(dst, value)
	case c != '{' && c != '[':
		return append(dst, value...)
	}
	for i := 0; i < len(value); {
		switch c := value[i]; {
		case c == '"':
			end := (&scanner{}).str(value, i+1)
			dst = append(dst, value[i:end]...)
			i = end
		case c == '-' || isDigit(c):
			end := (&scanner{}).number(value, i)
			dst = appendNumber(dst, value[i:end])
			i = end
		default:
			dst = append(dst, c)
			i++
		}
	}
	return dst
}

func appendNumber(dst, number []byte) []byte {
	if len(number) <= exactDigits && bytes.IndexByte(number, 'e') < 0 || integer(number) {
		return append(dst, number...)
	}
	text := string(number)
	want, err := strconv.ParseFloat(text, 64)
	if read, ok := decode.ParseFloat(text); err != nil || ok && read == want {
		return append(dst, number...)
	}
	if spelled, ok := respell(want); ok {
		return append(dst, spelled...)
	}
	return append(dst, number...)
}

// respell finds digits and a power of ten that the server reads as the number.
// There are such for every number that it shows, since it has read it.
func respell(want float64) (string, bool) {
	sign := ""
	if want < 0 {
		sign, want = "-", -want
	}
	_, exp := math.Frexp(want)
	magnitude := int(math.Floor(float64(exp-1) * math.Log10(2)))
	for digits := mostDigits; digits > 0; digits-- {
		power := magnitude - digits + 1
		near := digitsNear(want, power)
		if near == 0 {
			continue
		}
		// What differs by less than a unit in the last place of a double is one number.
		step := uint64(math.Nextafter(float64(near), math.Inf(1)) - float64(near))
		step = max(step, 1)
		near -= near % step
		for k := -8; k <= 8; k++ {
			spelled := sign + strconv.FormatUint(near+uint64(k)*step, 10) + "e" + strconv.Itoa(power)
			if read, ok := decode.ParseFloat(spelled); ok && math.Abs(read) == want {
				return spelled, true
			}
		}
	}
	return "", false
}

// digitsNear gives the integer nearest to a number over a power of ten, 0 where
// it does not fit.
func digitsNear(number float64, power int) uint64 {
	ten := new(big.Float).SetPrec(256).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(power, -power))), nil))
	value := new(big.Float).SetPrec(256).SetFloat64(number)
	if power < 0 {
		value.Mul(value, ten)
	} else {
		value.Quo(value, ten)
	}
	near, _ := value.Add(value, big.NewFloat(0.5)).Uint64()
	if near == math.MaxUint64 {
		return 0
	}
	return near
}
