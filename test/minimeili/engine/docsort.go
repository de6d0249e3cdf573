package engine

import (
	"slices"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/filter"
)

// ordered gives documents in the order of sort criteria, then of internal ids.
// It is not the sort of searches: a document with the field but without a value
// to sort by is lost, and one with a number and a text comes twice.
func (ix *Index) ordered(set docSet, sorts []filter.Sort) ([]uint32, *meili.Error) {
	for _, s := range sorts {
		attr := s.Attr
		if s.Geo != nil {
			attr = "_geo"
		}
		if !ix.cfg.isSortable(attr) {
			return nil, ix.notSortable(attr)
		}
	}
	var order []uint32
	ix.sortInto(&order, set, sorts)
	return order, nil
}

func (ix *Index) sortInto(order *[]uint32, set docSet, sorts []filter.Sort) {
	switch {
	case set.empty():
	case len(sorts) == 0:
		*order = slices.AppendSeq(*order, set.all)
	case sorts[0].Geo != nil:
		queue := ix.byDistance(intersection(set, ix.points), *sorts[0].Geo, sorts[0].Desc)
		rest := set.clone()
		for len(queue) > 0 {
			bucket, _ := nextPlaces(&queue, rest)
			rest.sub(bucket)
			ix.sortInto(order, bucket, sorts[1:])
		}
		ix.sortInto(order, rest, sorts[1:])
	default:
		ix.sortByField(order, set, sorts)
	}
}

func (ix *Index) sortByField(order *[]uint32, set docSet, sorts []filter.Sort) {
	fid, known := ix.fieldIDs[sorts[0].Attr]
	f := ix.facet[fid]
	if !known || f == nil {
		ix.sortInto(order, set, sorts[1:])
		return
	}
	with := intersection(set, f.exists)
	var numbers, texts []*facetValue
	for _, n := range ix.numbersOf(f) {
		numbers = append(numbers, f.numbers[n])
	}
	for _, s := range ix.stringsOf(f) {
		texts = append(texts, f.strings[s])
	}
	for _, values := range [][]*facetValue{numbers, texts} {
		if sorts[0].Desc {
			slices.Reverse(values)
		}
		left := with.clone()
		for _, v := range values {
			docs := v.within(left)
			left.sub(docs)
			ix.sortInto(order, docs, sorts[1:])
		}
	}
	ix.sortInto(order, difference(set, f.exists), sorts[1:])
}
