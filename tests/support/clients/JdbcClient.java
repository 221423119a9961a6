import com.clickhouse.jdbc.Driver;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Properties;

/** Asks an embedded node over JDBC as DBeaver and Metabase do. Writes a line a check; any failure is an exception. */
public final class JdbcClient {
    private static void expect(String name, Object got, Object wanted) {
        if (!String.valueOf(got).equals(String.valueOf(wanted))) {
            throw new AssertionError(name + ": got " + got + ", wanted " + wanted);
        }
        System.out.println("ok " + name);
    }

    private static int count(ResultSet rows) throws SQLException {
        int found = 0;
        while (rows.next()) {
            found++;
        }
        return found;
    }

    public static void main(String[] args) throws Exception {
        Properties properties = new Properties();
        properties.setProperty("user", "default");
        properties.setProperty("password", args[1]);
        try (Connection connection = new Driver().connect("jdbc:clickhouse://" + args[0] + "/otel", properties)) {
            expect("isValid", connection.isValid(5), true);
            DatabaseMetaData meta = connection.getMetaData();
            expect("version", meta.getDatabaseProductVersion().isEmpty(), false);
            expect("schemas", count(meta.getSchemas()) >= 2, true);
            expect("catalogs", count(meta.getCatalogs()) >= 0, true);
            expect("tables", count(meta.getTables(null, "otel", "%", null)) > 10, true);
            expect("views", count(meta.getTables(null, "otel", "%", new String[] {"VIEW"})) > 0, true);
            expect("table types", count(meta.getTableTypes()) > 3, true);
            expect("columns", count(meta.getColumns(null, "otel", "otel_traces", "%")) > 15, true);
            expect("keys", count(meta.getPrimaryKeys(null, "otel", "otel_traces")) > 0, true);
            expect("types", count(meta.getTypeInfo()) > 10, true);
            expect("functions", count(meta.getFunctions(null, null, "%")) > 100, true);
            count(meta.getIndexInfo(null, "otel", "otel_traces", false, false));
            count(meta.getImportedKeys(null, "otel", "otel_traces"));
            count(meta.getProcedures(null, "otel", "%"));
            try (PreparedStatement prepared = connection.prepareStatement("SELECT ? + 1 AS n, ? AS s")) {
                prepared.setInt(1, 41);
                prepared.setString(2, "it's");
                expect("columns before it runs", prepared.getMetaData().getColumnCount(), 2);
                try (ResultSet rows = prepared.executeQuery()) {
                    rows.next();
                    expect("number", rows.getInt("n"), 42);
                    expect("text", rows.getString("s"), "it's");
                }
            }
            try (Statement statement = connection.createStatement()) {
                long sum = 0;
                try (ResultSet rows = statement.executeQuery("SELECT number, toString(number) FROM numbers(200000)")) {
                    while (rows.next()) {
                        sum += rows.getLong(1);
                    }
                }
                expect("stream", sum, 200000L * 199999 / 2);
                statement.setMaxRows(5);
                expect("max rows", count(statement.executeQuery("SELECT number FROM numbers(100)")), 5);
                statement.setMaxRows(0);
                for (String[] refused : new String[][] {{"SELECT nothing", "47"}, {"DROP TABLE otel_traces", "497"}}) {
                    try {
                        statement.execute(refused[0]);
                        throw new AssertionError(refused[0] + " passed");
                    } catch (SQLException exception) {
                        expect(refused[0], exception.getErrorCode(), refused[1]);
                    }
                }
            }
        }
    }
}
