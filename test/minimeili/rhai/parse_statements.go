package rhai

func (p *parser) function(b *block) error {
	p.take()
	t := p.take()
	if t.kind != name {
		return t.at.fail("Syntax error: Expecting name of function")
	}
	if err := p.expect("("); err != nil {
		return err
	}
	params, err := p.names(")")
	if err != nil {
		return err
	}
	body, err := p.block()
	if err != nil {
		return err
	}
	b.functions[t.text] = &closure{params: params, body: body}
	return nil
}

func (p *parser) names(closing string) ([]string, error) {
	var out []string
	for !p.accept(closing) {
		t := p.take()
		if t.kind != name {
			return nil, t.at.fail("Syntax error: Expecting name of parameter")
		}
		out = append(out, t.text)
		if !p.is(closing) {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func (p *parser) statement() (expr, error) {
	t := p.peek()
	if t.kind == name {
		switch t.text {
		case "let", "const":
			return p.let()
		case "while", "loop", "do":
			return p.loop()
		case "for":
			return p.forIn()
		case "break", "continue", "return", "throw":
			return p.leave()
		}
	}
	return p.assignment()
}

func (p *parser) let() (expr, error) {
	constant := p.take().text == "const"
	t := p.take()
	if t.kind != name {
		return nil, t.at.fail("Syntax error: Expecting name of variable")
	}
	l := &letExpr{name: t.text}
	p.constants[t.text] = constant
	if p.accept("=") {
		v, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		l.value = v
	}
	return l, nil
}

func (p *parser) loop() (expr, error) {
	l := &loopExpr{}
	t := p.take()
	var err error
	if t.text == "while" {
		if l.condition, err = p.expression(0); err != nil {
			return nil, err
		}
	}
	if l.body, err = p.block(); err != nil || t.text != "do" {
		return l, err
	}
	u := p.take()
	l.after, l.until = true, u.text == "until"
	l.condition, err = p.expression(0)
	return l, err
}

func (p *parser) forIn() (expr, error) {
	p.take()
	f := &forExpr{at: p.peek().at}
	paired := p.accept("(")
	f.name = p.take().text
	if paired {
		if err := p.expect(","); err != nil {
			return nil, err
		}
		f.counter = p.take().text
		if err := p.expect(")"); err != nil {
			return nil, err
		}
	}
	if !p.word("in") {
		return nil, p.peek().at.fail("Syntax error: Expecting 'in' after the iteration variable")
	}
	p.take()
	var err error
	if f.over, err = p.expression(0); err != nil {
		return nil, err
	}
	f.body, err = p.block()
	return f, err
}

func (p *parser) leave() (expr, error) {
	t := p.take()
	l := &leaveExpr{how: t.text, at: t.at}
	if p.is(";", "}") || p.peek().kind == end || t.text == "continue" {
		return l, nil
	}
	var err error
	l.value, err = p.expression(0)
	return l, err
}
