package minimeili

import (
	"net/http"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

func (c *call) listIndexes() (answer, *meili.Error) {
	p, err := request.ParsePage(c.r.URL.RawQuery, "index")
	if err != nil {
		return refuse(err)
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	var views []meili.Index
	for _, uid := range c.uids(c.grant.allows) {
		views = append(views, c.indexes[uid].view())
	}
	return ok(meili.PageOf(views, p.Offset, p.Limit))
}

func (c *call) createIndex() (answer, *meili.Error) {
	body, err := c.json()
	if err != nil {
		return refuse(err)
	}
	p, err := request.ParseIndexCreate(body)
	if err != nil {
		return refuse(err)
	}
	if !c.grant.allows(p.UID) {
		return refuse(meili.InvalidAPIKey())
	}
	return c.accepted(http.StatusAccepted, &p.UID, nil, operation{Kind: createIndex, PrimaryKey: p.PrimaryKey})
}

func (c *call) getIndex() (answer, *meili.Error) {
	ix, err := c.pathIndex()
	if err != nil {
		return refuse(err)
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	return ok(ix.view())
}

// pathIndex gives the index the path names.
func (c *call) pathIndex() (*index, *meili.Error) {
	uid, err := c.indexUID()
	if err != nil {
		return nil, err
	}
	return c.index(uid)
}

func (c *call) updateIndex() (answer, *meili.Error) {
	body, err := c.json()
	if err != nil {
		return refuse(err)
	}
	p, err := request.ParseIndexUpdate(body)
	if err != nil {
		return refuse(err)
	}
	uid, err := c.indexUID()
	if err != nil {
		return refuse(err)
	}
	return c.accepted(http.StatusAccepted, &uid, nil, operation{Kind: updateIndex, PrimaryKey: p.PrimaryKey, NewUID: p.UID})
}

func (c *call) deleteIndex() (answer, *meili.Error) { return c.onPath(operation{Kind: deleteIndex}) }

func (c *call) compactIndex() (answer, *meili.Error) { return c.onPath(operation{Kind: compactIndex}) }

// onPath enqueues an operation on the index the path names.
func (c *call) onPath(op operation) (answer, *meili.Error) {
	uid, err := c.indexUID()
	if err != nil {
		return refuse(err)
	}
	return c.accepted(http.StatusAccepted, &uid, nil, op)
}

func (c *call) swapIndexes() (answer, *meili.Error) {
	body, err := c.json()
	if err != nil {
		return refuse(err)
	}
	list, err := request.ParseSwap(body)
	if err != nil {
		return refuse(err)
	}
	op := operation{Kind: swapIndexes, Swaps: []swap{}}
	for _, s := range list {
		for _, uid := range s.Indexes {
			if !c.grant.allows(uid) {
				return refuse(meili.InvalidAPIKey())
			}
		}
		op.Swaps = append(op.Swaps, swap{Indexes: s.Indexes[:], Rename: s.Rename})
	}
	return c.accepted(http.StatusAccepted, nil, nil, op)
}

func (c *call) fields() (answer, *meili.Error) {
	body, err := c.json()
	if err != nil {
		return refuse(err)
	}
	p, err := request.ParseFields(body)
	if err != nil {
		return refuse(err)
	}
	ix, err := c.pathIndex()
	if err != nil {
		return refuse(err)
	}
	return ok(ix.engine.Fields(p))
}

func (c *call) getSettings() (answer, *meili.Error) {
	ix, err := c.pathIndex()
	if err != nil {
		return refuse(err)
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	return ok(ix.engine.Settings().JSON(c.features))
}

func (c *call) getSetting(name string) (answer, *meili.Error) {
	ix, err := c.pathIndex()
	if err != nil {
		return refuse(err)
	}
	return ok(ix.engine.Settings().Sub(name))
}

func (c *call) updateSettings() (answer, *meili.Error) {
	body, err := c.json()
	if err != nil {
		return refuse(err)
	}
	p, err := settings.Parse(body)
	if err != nil {
		return refuse(err)
	}
	return c.changeSettings(p, false)
}

func (c *call) updateSetting(name string) (answer, *meili.Error) {
	body, err := c.json()
	if err != nil {
		return refuse(err)
	}
	p, err := settings.ParseSub(name, body)
	if err != nil {
		return refuse(err)
	}
	return c.changeSettings(p, false)
}

func (c *call) resetSettings() (answer, *meili.Error) {
	return c.changeSettings(settings.ResetAll(), true)
}

func (c *call) resetSetting(name string) (answer, *meili.Error) {
	return c.changeSettings(settings.ResetSub(name), true)
}

func (c *call) changeSettings(p *settings.Patch, reset bool) (answer, *meili.Error) {
	uid, err := c.indexUID()
	if err != nil {
		return refuse(err)
	}
	c.mu.RLock()
	features := c.features
	c.mu.RUnlock()
	if err := p.Check(features); err != nil {
		return refuse(err)
	}
	return c.accepted(http.StatusAccepted, &uid, nil, operation{
		Kind: changeSettings, Settings: p.Raw(), CreatesIndex: !reset && c.grant.creates(uid),
	})
}
