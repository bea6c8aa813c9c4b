/* A line of the server, as an engine reads it: a command within its limits, or a fault. */
#include "common/command.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    char *line = fuzz_copy(data, n_bytes);
    struct command *command = NULL;
    struct fault fault = { 0 };
    enum status status = command_decode(line, n_bytes, &command, &fault);
    HOLDS(command && command->op_name);
    HOLDS(status == STATUS_OK || fault.text[0]);
    HOLDS(command->id == NULL || strlen(command->id) <= COMMAND_ID_BYTES_MAX);
    if (status == STATUS_OK && command->op == COMMAND_GENERATE) {
        HOLDS(command->generate.n_stop <= STOP_STRINGS_MAX);
        HOLDS(command->generate.prefix_text == NULL || command->generate.prefix_tokens == NULL);
        for (size_t i = 0; i < command->generate.n_messages; i++) {
            HOLDS(command->generate.messages[i].role && command->generate.messages[i].content);
        }
    }
    command_free(command);
    free(line);
    return 0;
}
