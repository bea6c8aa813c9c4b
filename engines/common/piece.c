#include "common/piece.h"

#define PIECE_BYTES_MAX (64u << 20)

void piece_init(struct piece *piece, const char *const *stop, size_t n_stop) {
    *piece = (struct piece){ 0 };
    bytes_init(&piece->whole, PIECE_BYTES_MAX);
    bytes_init(&piece->text, PIECE_BYTES_MAX);
    stop_matcher_init(&piece->stops, stop, n_stop);
}

void piece_deinit(struct piece *piece) {
    stop_matcher_deinit(&piece->stops);
    bytes_deinit(&piece->whole);
    bytes_deinit(&piece->text);
}

bool piece_add(struct piece *piece, const char *data, size_t n_bytes) {
    bytes_clear(&piece->text);
    bytes_clear(&piece->whole);
    utf8_joiner_add(&piece->joiner, data, n_bytes, &piece->whole);
    return stop_matcher_add(&piece->stops, piece->whole.data, piece->whole.size, &piece->text);
}

bool piece_finish(struct piece *piece) {
    bytes_clear(&piece->whole);
    utf8_joiner_finish(&piece->joiner, &piece->whole);
    bool stopped = stop_matcher_add(&piece->stops, piece->whole.data, piece->whole.size, &piece->text);
    if (!stopped) {
        stop_matcher_finish(&piece->stops, &piece->text);
    }
    return stopped;
}

bool piece_add_said(struct piece *piece, const char *data, size_t n_bytes) {
    bool stopped = piece_add(piece, data, n_bytes);
    piece_clear_text(piece);
    return stopped;
}

bool piece_finish_said(struct piece *piece) {
    bool stopped = piece_finish(piece);
    piece_clear_text(piece);
    return stopped;
}

void piece_clear_text(struct piece *piece) {
    bytes_clear(&piece->text);
}
