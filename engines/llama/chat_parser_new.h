/* chat_parser_new.h - how chat_format.cc makes a parser: C++ only. */
#ifndef RUNNEL_ENGINES_LLAMA_CHAT_PARSER_NEW_H
#define RUNNEL_ENGINES_LLAMA_CHAT_PARSER_NEW_H

#include "chat_parser.h"

#include <chat.h>

struct chat_parser *chat_parser_new(const common_chat_parser_params &params);

#endif
