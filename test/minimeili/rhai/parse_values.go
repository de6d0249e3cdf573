package rhai

func (p *parser) list(closing string) ([]expr, error) {
	var out []expr
	for !p.accept(closing) {
		e, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
		if !p.is(closing) {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func (p *parser) primary() (expr, error) {
	t := p.peek()
	switch t.kind {
	case number:
		p.take()
		return &constant{t.value}, nil
	case quoted:
		p.take()
		return &constant{t.text}, nil
	case template:
		p.take()
		return p.template(t)
	case name:
		return p.named()
	case symbol:
		return p.bracketed()
	}
	return nil, t.at.fail("Script is incomplete")
}

func (p *parser) template(t *token) (expr, error) {
	e := &templateExpr{}
	for _, part := range t.parts {
		if part.inner == nil {
			e.parts = append(e.parts, &constant{part.text})
			continue
		}
		inner := &parser{tokens: part.inner, constants: p.constants}
		b, err := inner.program()
		if err != nil {
			return nil, err
		}
		e.parts = append(e.parts, b)
	}
	return e, nil
}

func (p *parser) bracketed() (expr, error) {
	t := p.take()
	switch t.text {
	case "(":
		if p.accept(")") {
			return &constant{nil}, nil
		}
		e, err := p.assignment()
		if err != nil {
			return nil, err
		}
		return e, p.expect(")")
	case "[":
		items, err := p.list("]")
		return &arrayExpr{items}, err
	case "#{":
		return p.objectMap()
	case "{":
		p.i--
		return p.block()
	case "||", "|":
		return p.lambda(t.text == "||")
	}
	return nil, t.at.fail("Syntax error: Unexpected '%s'", t.text)
}

func (p *parser) objectMap() (expr, error) {
	e := &objectExpr{}
	for !p.accept("}") {
		t := p.take()
		if t.kind != name && t.kind != quoted {
			return nil, t.at.fail("Syntax error: Expecting name of a property")
		}
		if err := p.expect(":"); err != nil {
			return nil, err
		}
		v, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		e.names, e.values = append(e.names, t.text), append(e.values, v)
		if !p.is("}") {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
	}
	return e, nil
}

func (p *parser) lambda(empty bool) (expr, error) {
	e := &lambdaExpr{}
	var err error
	if !empty {
		if e.params, err = p.names("|"); err != nil {
			return nil, err
		}
	}
	e.body, err = p.statement()
	return e, err
}
