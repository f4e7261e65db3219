package shop;

/** Travels as JSON. */
public record Order(String id, String customer, int amount) {
}
