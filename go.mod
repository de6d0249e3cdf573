module github.com/miroir-gateway/miroir

go 1.26.0
