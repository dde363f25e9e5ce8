// Plays one story: each line at its time, against what is expected of it. README.md is the language.
//
// play() throws ScriptError with the line that was not as it should be. One thread.
#pragma once

#include "script/tcp/script.h"
#include "script/tcp/world.h"

namespace penstock::tcp::script {

void play(const Story& story, const Origin& origin);

}  // namespace penstock::tcp::script
