// Asks an embedded node over HTTP as Grafana's data source does. Writes a line a check; exits with 1 at the first that fails.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

func check(name string, err error) {
	if err != nil {
		fmt.Printf("FAILED %s: %v\n", name, err)
		os.Exit(1)
	}
	fmt.Println("ok", name)
}

func expect(name string, got, wanted any) {
	if fmt.Sprint(got) != fmt.Sprint(wanted) {
		check(name, fmt.Errorf("got %v, wanted %v", got, wanted))
	}
	fmt.Println("ok", name)
}

func main() {
	ctx := context.Background()
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr:        []string{os.Args[1]},
		Protocol:    clickhouse.HTTP,
		Auth:        clickhouse.Auth{Database: "otel", Username: "default", Password: os.Args[2]},
		Settings:    clickhouse.Settings{"max_execution_time": 60},
		Compression: &clickhouse.Compression{Method: clickhouse.CompressionLZ4},
	})
	check("open", err)
	check("ping", conn.Ping(ctx))
	version, err := conn.ServerVersion()
	check("hello", err)
	expect("display name", version.DisplayName, "sightline")

	var count uint64
	check("count", conn.QueryRow(ctx, "SELECT count() FROM otel_traces").Scan(&count))
	var number uint8
	named := clickhouse.Context(ctx, clickhouse.WithParameters(clickhouse.Parameters{"n": "7"}))
	check("parameter", conn.QueryRow(named, "SELECT {n:UInt8}").Scan(&number))
	expect("parameter's value", number, 7)

	var at time.Time
	check("time zone", conn.QueryRow(ctx, "SELECT toDateTime(1767225600, 'America/Chicago')").Scan(&at))
	expect("time zone's name", at.Location(), "America/Chicago")

	rows, err := conn.Query(ctx, "SELECT number, toString(number), [number], map('a', number) FROM numbers(200000)")
	check("stream", err)
	var sum uint64
	for rows.Next() {
		var n uint64
		var s string
		var list []uint64
		var pairs map[string]uint64
		check2(rows.Scan(&n, &s, &list, &pairs))
		sum += n
	}
	check("stream's end", rows.Err())
	expect("stream's sum", sum, uint64(200000)*199999/2)

	for statement, code := range map[string]int32{"SELECT nothing": 47, "CREATE TABLE t (x UInt8) ENGINE = Memory": 497} {
		err = conn.Exec(ctx, statement)
		var exception *clickhouse.Exception
		if err == nil || !(errors.As(err, &exception) && exception.Code == code || strings.Contains(err.Error(), fmt.Sprintf("ode: %d", code))) {
			check(statement, fmt.Errorf("wanted code %d, got %v", code, err))
		}
		fmt.Println("ok", statement)
	}

	tables, err := conn.Query(ctx, `SHOW TABLES FROM "otel"`)
	check("tables", err)
	found := 0
	for tables.Next() {
		found++
	}
	if found < 10 {
		check("tables' names", fmt.Errorf("only %d", found))
	}
}

func check2(err error) {
	if err != nil {
		check("row", err)
	}
}
