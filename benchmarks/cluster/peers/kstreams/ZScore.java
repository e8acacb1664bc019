import java.io.*;
import java.nio.*;
import java.nio.charset.StandardCharsets;
import java.util.*;
import java.util.concurrent.atomic.AtomicBoolean;
import com.fasterxml.jackson.core.*;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.*;

/** z of the close over the 20 before it on Kafka Streams: Processor API, in-memory store with its changelog. */
public class ZScore {
  static final int W = 20;
  static final JsonFactory JF = new JsonFactory();
  static final AtomicBoolean FIRST = new AtomicBoolean();
  static String env(String k, String d) { String v = System.getenv(k); return v == null ? d : v; }

  static class Judge implements Processor<String, byte[], String, byte[]> {
    ProcessorContext<String, byte[]> ctx; KeyValueStore<String, byte[]> st;
    @Override public void init(ProcessorContext<String, byte[]> c) { ctx = c; st = c.getStateStore("w"); }
    @Override public void process(Record<String, byte[]> r) {
      if (!FIRST.get() && FIRST.compareAndSet(false, true)) {
        try (FileWriter f = new FileWriter(System.getenv("FIRSTFILE"), true)) { f.write("{\"t\":" + System.currentTimeMillis() / 1000.0 + "}\n"); } catch (IOException e) { throw new UncheckedIOException(e); }
      }
      String sym = null, ts = null; double x = 0;
      try (JsonParser p = JF.createParser(r.value())) {
        p.nextToken();
        while (p.nextToken() != JsonToken.END_OBJECT) {
          String n = p.currentName(); p.nextToken();
          switch (n) { case "symbol": sym = p.getText(); break; case "timestamp": ts = p.getText(); break; case "close": x = p.getDoubleValue(); break; default: }
        }
      } catch (IOException e) { throw new UncheckedIOException(e); }
      // state: long count, double sum, double sumsq, 20 doubles ring
      byte[] b = st.get(sym);
      byte[] nb = b == null ? new byte[8 * (W + 3)] : b.clone();
      ByteBuffer s = ByteBuffer.wrap(nb);
      long n = s.getLong(0); double sum = s.getDouble(8), sq = s.getDouble(16); int at = 24 + 8 * (int) (n % W);
      if (n >= W) {
        double mean = sum / W, var = sq / W - mean * mean, sd = var > 1e-18 ? Math.sqrt(var) : 1e-9, z = (x - mean) / sd;
        if (z >= 6.0 || z <= -6.0)
          ctx.forward(r.withKey(sym).withValue(("{\"symbol\":\"" + sym + "\",\"timestamp\":\"" + ts + "\",\"price\":" + x + ",\"z\":" + z + "}").getBytes(StandardCharsets.UTF_8)));
        double o = s.getDouble(at); sum -= o; sq -= o * o;
      }
      s.putDouble(at, x); s.putLong(0, n + 1); s.putDouble(8, sum + x); s.putDouble(16, sq + x * x);
      st.put(sym, nb);
    }
  }

  public static void main(String[] a) throws Exception {
    boolean T = env("MODE", "T").equals("T"), log = env("LOGGING", "1").equals("1");
    Properties p = new Properties();
    p.put(StreamsConfig.APPLICATION_ID_CONFIG, System.getenv("GROUP"));
    p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, env("BOOTSTRAP", "127.0.0.1:19092"));
    p.put(StreamsConfig.STATE_DIR_CONFIG, System.getenv("STATEDIR") + "/ks");
    p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, env("COMMIT_MS", "100"));
    p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, env("THREADS", "1"));
    p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, env("GUARANTEE", "at_least_once"));
    p.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    p.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 10000);
    p.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
    p.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 10000);
    p.put(StreamsConfig.consumerPrefix(ConsumerConfig.FETCH_MIN_BYTES_CONFIG), 1);
    p.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), 8 << 20);
    p.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), T ? 5 : 0);
    p.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 262144);
    p.put(StreamsConfig.producerPrefix(ProducerConfig.ACKS_CONFIG), "all");
    StoreBuilder<KeyValueStore<String, byte[]>> sb = Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore("w"), Serdes.String(), Serdes.ByteArray());
    sb = log ? sb.withLoggingEnabled(Map.of()) : sb.withLoggingDisabled();
    Topology t = new Topology();
    t.addSource("in", new StringDeserializer(), new ByteArrayDeserializer(), System.getenv("IN"));
    t.addProcessor("z", Judge::new, "in"); t.addStateStore(sb, "z");
    t.addSink("out", System.getenv("OUT"), new StringSerializer(), new ByteArraySerializer(), "z");
    KafkaStreams ks = new KafkaStreams(t, p);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> ks.close(java.time.Duration.ofSeconds(8))));
    ks.start(); Thread.currentThread().join();
  }
}
