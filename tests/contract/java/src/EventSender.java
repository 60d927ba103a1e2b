import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.Base64;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Sends records to the topic args[1] of the brokers args[0], one for each line of its input:
 * key, value, and then names and values of headers, separated by tabs; all but names in base64.
 * Prints the partition and offset of each.
 */
public final class EventSender {
    public static void main(String[] args) throws Exception {
        Map<String, Object> settings = Map.of("bootstrap.servers", args[0], "acks", "all");
        ByteArraySerializer bytes = new ByteArraySerializer();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings, bytes, bytes)) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                String[] parts = line.split("\t");
                ProducerRecord<byte[], byte[]> record =
                        new ProducerRecord<>(args[1], decoded(parts[0]), decoded(parts[1]));
                for (int at = 2; at < parts.length; at += 2) {
                    record.headers().add(parts[at], decoded(parts[at + 1]));
                }
                var sent = producer.send(record).get();
                System.out.println(sent.partition() + " " + sent.offset());
            }
        }
    }

    private static byte[] decoded(String text) {
        return Base64.getDecoder().decode(text);
    }
}
