-- What the scripts for Ardour's Lua shell share: a session, tracks, a transport and a tempo map. Arguments come by environment.
RATE = 48000
TRS = ARDOUR.TransportRequestSource.TRS_UI
FOLDER = os.getenv("SESSION_FOLDER")

function say(...) print(...) io.flush() end

-- Say a word, and wait until the program that runs this script has answered it by a file of that name.
function ask(word)
  say(word)
  local path = os.getenv("ANSWERS") .. "/" .. word
  for _ = 1, 6000 do
    local file = io.open(path)
    if file then file:close() return end
    sleep(0.05)
  end
  say("no answer", word)
end

function start_backend(block)
  local backend = AudioEngine:set_backend("None (Dummy)", "", "")
  backend:set_device_name("Normal Speed")
  backend:set_sample_rate(RATE)
  backend:set_buffer_size(block)
end

function insert(track, uri, index)
  local plugin = ARDOUR.LuaAPI.new_plugin(Session, uri, ARDOUR.PluginType.LV2, "")
  if plugin:isnil() then say("no plugin", uri) quit() end
  track:add_processor_by_index(plugin, index or -1, nil, true)
  return plugin
end

-- An audio track with our plugin, set to a source, and a probe behind it; returns the plugin.
function audio_track(name, source)
  local plugin
  for track in Session:new_audio_track(2, 2, nil, 1, name, -1, ARDOUR.TrackMode.Normal, true):iter() do
    plugin = insert(track, "urn:riffengine:plugin")
    if source > 0 then ARDOUR.LuaAPI.set_processor_param(plugin, 17, source) end
    insert(track, "urn:riffengine:probe")
  end
  return plugin
end

-- One tempo from beat 0 on; with "to", a ramp that arrives there after so many beats. Two tempos alone are a step.
function tempo(bpm, to, beats)
  local map = Temporal.TempoMap.write_copy()
  local start = map:set_tempo(Temporal.Tempo(bpm, bpm, 4), Temporal.timepos_t(0))
  if to then
    map:set_tempo(Temporal.Tempo(to, to, 4), Temporal.timepos_t.from_ticks(Temporal.ticks_per_beat * beats))
    if not map:set_ramped(start, true) then say("no ramp") end
  end
  Temporal.TempoMap.update(map)
end

function locate(beat, bpm, rolls)
  local how = rolls and ARDOUR.LocateTransportDisposition.MustRoll or ARDOUR.LocateTransportDisposition.MustStop
  Session:request_locate(math.floor(beat * 60 / bpm * RATE + 0.5), false, how, TRS)
  if not rolls then sleep(0.5) end
end

function roll(seconds) Session:request_roll(TRS) sleep(seconds) end
function stop() Session:request_stop(false, false, TRS) sleep(0.5) end

function save()
  Session:save_state("", false, false, false, false, false)
  say("saved")
end
