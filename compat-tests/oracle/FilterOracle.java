import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.StringJoiner;

import org.apache.rocketmq.filter.FilterFactory;
import org.apache.rocketmq.filter.expression.EvaluationContext;
import org.apache.rocketmq.filter.expression.Expression;
import org.apache.rocketmq.filter.util.BloomFilter;

/**
 * Answers a line with a line. Fields are parted by tabs; text is the hex of its UTF-8.
 *
 *   sql EXPRESSION PROPERTIES...   each "name 0x01 value 0x02 ...": "E message", or a value for each PROPERTIES,
 *                                  X for one that ends with an exception, C if that is a ClassCastException
 *   bloom RATE EXPECTED NAME       the bits of the whole filter, then those of the name
 */
public class FilterOracle {
    public static void main(String[] arguments) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        Writer out = new BufferedWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] fields = line.split("\t", -1);
            out.write(fields[0].equals("sql") ? sql(fields) : bloom(fields));
            out.write('\n');
        }
        out.flush();
    }

    private static String sql(String[] fields) {
        Expression expression;
        try {
            expression = FilterFactory.INSTANCE.get("SQL92").compile(text(fields[1]));
        } catch (Exception e) {
            return "E " + hex(String.valueOf(e.getMessage()));
        }
        StringJoiner values = new StringJoiner("\t");
        for (int i = 2; i < fields.length; i++) {
            values.add(value(expression, properties(text(fields[i]))));
        }
        return values.toString();
    }

    private static String value(Expression expression, Map<String, Object> properties) {
        EvaluationContext context = new EvaluationContext() {
            @Override
            public Object get(String name) {
                return properties.get(name);
            }

            @Override
            public Map<String, Object> keyValues() {
                return properties;
            }
        };
        try {
            return String.valueOf(expression.evaluate(context));
        } catch (ClassCastException e) {
            return "C";
        } catch (Exception e) {
            return "X";
        }
    }

    private static Map<String, Object> properties(String text) {
        Map<String, Object> properties = new HashMap<>();
        for (String entry : text.split("\u0002")) {
            int at = entry.indexOf('\u0001');
            if (at > 0) {
                properties.put(entry.substring(0, at), entry.substring(at + 1));
            }
        }
        return properties;
    }

    private static String bloom(String[] fields) {
        BloomFilter filter = BloomFilter.createByFn(Integer.parseInt(fields[1]), Integer.parseInt(fields[2]));
        return filter.getM() + " " + Arrays.toString(filter.calcBitPositions(text(fields[3])));
    }

    private static String text(String hex) {
        return new String(HexFormat.of().parseHex(hex), StandardCharsets.UTF_8);
    }

    private static String hex(String text) {
        return HexFormat.of().formatHex(text.getBytes(StandardCharsets.UTF_8));
    }
}
