package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// mode is what a proxy does with the connections between gateway and node.
type mode string

const (
	pass    mode = "pass"
	slow    mode = "slow"    // each piece of data comes late
	trickle mode = "trickle" // data comes in small pieces, few at a time
	cut     mode = "cut"     // connections break in the middle of an answer, again and again
	refuse  mode = "refuse"  // nobody listens
	hang    mode = "hang"    // data goes nowhere, and nobody is told
	mute    mode = "mute"    // requests arrive, connections are reset instead of an answer
)

// toxic is one thing that a proxy does to one direction, in Toxiproxy's words.
type toxic struct {
	Name       string         `json:"name"`
	Type       string         `json:"type"`
	Stream     string         `json:"stream"`
	Attributes map[string]int `json:"attributes"`
}

const (
	toNode    = "upstream"
	toGateway = "downstream"
)

var toxics = map[mode][]toxic{
	slow: {
		{"late requests", "latency", toNode, map[string]int{"latency": 100, "jitter": 50}},
		{"late answers", "latency", toGateway, map[string]int{"latency": 100, "jitter": 50}},
	},
	trickle: {
		{"narrow requests", "bandwidth", toNode, map[string]int{"rate": 100}}, // KB a second
		{"small answers", "slicer", toGateway, map[string]int{"average_size": 512, "size_variation": 256, "delay": 2000}},
	},
	cut: {{"cut answers", "limit_data", toGateway, map[string]int{"bytes": 1500}}},
	hang: {
		{"no requests", "timeout", toNode, map[string]int{"timeout": 0}},
		{"no answers", "timeout", toGateway, map[string]int{"timeout": 0}},
	},
	mute: {{"reset", "reset_peer", toGateway, map[string]int{"timeout": 0}}},
}

// proxy stands between the gateway and one node.
type proxy struct {
	*toxiproxy.Proxy
	address string

	mutex sync.Mutex
	mode  mode
}

func startProxy(target string) (*proxy, error) {
	zerolog.SetGlobalLevel(zerolog.Disabled) // toxics log on their own
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := &proxy{Proxy: toxiproxy.NewProxy(server, target, "127.0.0.1:0", target), mode: pass}
	if err := p.Start(); err != nil {
		return nil, fmt.Errorf("start a proxy: %w", err)
	}
	p.address = p.Listen
	return p, nil
}

// set changes what the proxy does, with the connections that exist as well.
func (p *proxy) set(m mode) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if m == p.mode {
		return nil
	}
	var errs []error
	for _, t := range toxics[p.mode] {
		errs = append(errs, p.Toxics.RemoveToxic(context.Background(), t.Name))
	}
	if p.mode == refuse {
		errs = append(errs, p.Start())
	}
	if m == refuse {
		p.Stop()
	}
	for _, t := range toxics[m] {
		text, err := json.Marshal(t)
		if err == nil {
			_, err = p.Toxics.AddToxicJson(strings.NewReader(string(text)))
		}
		errs = append(errs, err)
	}
	p.mode = m
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("have the proxy of %s %s: %w", p.Upstream, m, err)
	}
	return nil
}

// close ends the proxy and all its connections.
func (p *proxy) close() { p.Stop() }
