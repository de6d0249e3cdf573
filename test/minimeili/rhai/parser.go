package rhai

// expr is an expression; statements are expressions too.
type expr interface {
	eval(m *machine, s *scope) (any, error)
}

// block is statements in braces, or a whole program.
type block struct {
	statements []expr
	// silent tells that the last statement ends in a semicolon: the block has no value.
	silent    bool
	functions map[string]*closure
}

type parser struct {
	tokens    []token
	i         int
	constants map[string]bool
}

func (p *parser) peek() *token { return &p.tokens[p.i] }

func (p *parser) is(symbols ...string) bool {
	t := p.peek()
	if t.kind != symbol {
		return false
	}
	for _, s := range symbols {
		if t.text == s {
			return true
		}
	}
	return false
}

func (p *parser) word(w string) bool { return p.peek().kind == name && p.peek().text == w }

func (p *parser) take() token {
	t := p.tokens[p.i]
	if t.kind != end {
		p.i++
	}
	return t
}

func (p *parser) accept(s string) bool {
	if p.is(s) {
		p.i++
		return true
	}
	return false
}

func (p *parser) expect(s string) error {
	if p.accept(s) {
		return nil
	}
	return p.peek().at.fail("Syntax error: Expecting '%s'", s)
}

func (p *parser) program() (*block, error) {
	b := &block{functions: map[string]*closure{}}
	err := p.statements(b, func() bool { return p.peek().kind == end })
	return b, err
}

func (p *parser) block() (*block, error) {
	if err := p.expect("{"); err != nil {
		return nil, err
	}
	b := &block{functions: map[string]*closure{}}
	if err := p.statements(b, func() bool { return p.is("}") }); err != nil {
		return nil, err
	}
	return b, p.expect("}")
}

func (p *parser) statements(b *block, over func() bool) error {
	for !over() {
		if p.accept(";") {
			b.silent = true
			continue
		}
		if p.word("fn") {
			if err := p.function(b); err != nil {
				return err
			}
			continue
		}
		e, err := p.statement()
		if err != nil {
			return err
		}
		b.statements = append(b.statements, e)
		b.silent = p.accept(";")
		if !b.silent && !over() && !endsInBlock(e) {
			return p.peek().at.fail("Syntax error: Expecting ';' to terminate this statement")
		}
	}
	return nil
}

func endsInBlock(e expr) bool {
	switch e.(type) {
	case *ifExpr, *loopExpr, *forExpr, *block, *switchExpr:
		return true
	}
	return false
}

var assignments = map[string]string{
	"=": "", "+=": "+", "-=": "-", "*=": "*", "/=": "/", "%=": "%", "**=": "**", "??=": "??",
}

func (p *parser) assignment() (expr, error) {
	left, err := p.expression(0)
	if err != nil {
		return nil, err
	}
	t := p.peek()
	op, ok := assignments[t.text]
	if t.kind != symbol || !ok {
		return left, nil
	}
	p.take()
	right, err := p.expression(0)
	if err != nil {
		return nil, err
	}
	switch l := left.(type) {
	case *nameExpr:
		if p.constants[l.name] {
			return nil, t.at.fail("Cannot assign to constant %s", l.name)
		}
		return &assignExpr{left, op, right, t.at}, nil
	case *indexExpr, *fieldExpr:
		return &assignExpr{left, op, right, t.at}, nil
	}
	return nil, t.at.fail("Cannot assign to this expression")
}

var precedence = map[string]int{
	"||": 1, "|": 1, "^": 1, "&&": 2, "&": 2, "==": 3, "!=": 3, "in": 4, "<": 5, "<=": 5, ">": 5, ">=": 5,
	"??": 6, "..": 7, "..=": 7, "+": 8, "-": 8, "*": 9, "/": 9, "%": 9, "**": 10, "<<": 11, ">>": 11,
}

func (p *parser) expression(least int) (expr, error) {
	left, err := p.unary()
	if err != nil {
		return nil, err
	}
	for {
		t := p.peek()
		not := p.is("!") && p.tokens[p.i+1].kind == name && p.tokens[p.i+1].text == "in"
		if not {
			t = &p.tokens[p.i+1]
		}
		strength, ok := precedence[t.text]
		if !ok || t.kind != symbol && (t.kind != name || t.text != "in") || strength <= least && (t.text != "**" || strength < least) {
			return left, nil
		}
		p.take()
		if not {
			p.take()
		}
		next := strength
		if t.text == "**" { // binds to the right
			next--
		}
		right, err := p.expression(next)
		if err != nil {
			return nil, err
		}
		left = &binaryExpr{t.text, left, right, t.at}
		if not {
			left = &unaryExpr{"!", left, t.at}
		}
	}
}

func (p *parser) unary() (expr, error) {
	if p.is("-", "+", "!") {
		t := p.take()
		e, err := p.unary()
		if err != nil {
			return nil, err
		}
		return &unaryExpr{t.text, e, t.at}, nil
	}
	e, err := p.primary()
	if err != nil {
		return nil, err
	}
	return p.postfix(e)
}

func (p *parser) postfix(e expr) (expr, error) {
	for {
		t := p.peek()
		switch {
		case p.accept("["):
			i, err := p.expression(0)
			if err != nil {
				return nil, err
			}
			if err := p.expect("]"); err != nil {
				return nil, err
			}
			e = &indexExpr{e, i, t.at}
		case p.is(".", "?."):
			p.take()
			member := p.take()
			if member.kind != name {
				return nil, member.at.fail("Syntax error: Expecting name of a property")
			}
			if !p.accept("(") {
				e = &fieldExpr{e, member.text, t.text == "?.", member.at}
				continue
			}
			args, err := p.list(")")
			if err != nil {
				return nil, err
			}
			e = &callExpr{name: member.text, self: e, args: args, safe: t.text == "?.", at: member.at}
		default:
			return e, nil
		}
	}
}

func (p *parser) named() (expr, error) {
	t := p.take()
	switch t.text {
	case "true", "false":
		return &constant{t.text == "true"}, nil
	case "if":
		return p.condition()
	case "switch":
		return p.choice()
	case "while", "loop", "do", "for":
		p.i--
		return p.statement()
	}
	if p.accept("(") {
		args, err := p.list(")")
		return &callExpr{name: t.text, args: args, at: t.at}, err
	}
	return &nameExpr{t.text, t.at}, nil
}

func (p *parser) condition() (expr, error) {
	e := &ifExpr{}
	var err error
	if e.condition, err = p.expression(0); err != nil {
		return nil, err
	}
	if e.then, err = p.block(); err != nil || !p.word("else") {
		return e, err
	}
	p.take()
	if p.word("if") {
		p.take()
		e.other, err = p.condition()
		return e, err
	}
	e.other, err = p.block()
	return e, err
}

func (p *parser) choice() (expr, error) {
	e := &switchExpr{}
	var err error
	if e.value, err = p.expression(0); err != nil {
		return nil, err
	}
	if err := p.expect("{"); err != nil {
		return nil, err
	}
	for !p.accept("}") {
		var c choice
		for {
			if p.word("_") {
				p.take()
				c.any = true
			} else {
				v, err := p.expression(1)
				if err != nil {
					return nil, err
				}
				c.values = append(c.values, v)
			}
			if !p.accept("|") {
				break
			}
		}
		if p.word("if") {
			p.take()
			if c.condition, err = p.expression(0); err != nil {
				return nil, err
			}
		}
		if err := p.expect("=>"); err != nil {
			return nil, err
		}
		if c.body, err = p.statement(); err != nil {
			return nil, err
		}
		e.choices = append(e.choices, c)
		p.accept(",")
	}
	return e, nil
}
