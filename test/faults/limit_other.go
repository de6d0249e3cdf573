//go:build !linux

package main

import "errors"

const canFill = false

func (p *process) fill(int64) error {
	return errors.New("only Linux can bound the files of another process")
}
