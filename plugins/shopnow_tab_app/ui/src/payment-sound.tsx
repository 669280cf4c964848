/** A short sound for each new payment, off until the user switches it on. */
import { useEffect, useRef, useState } from "preact/hooks";
import { usePoll } from "./api-client";
import type { Activity } from "./api-types";
import { t } from "./i18n";
import { ACTIVITY_POLL_MS } from "./latest-activity";

const ACTIVITY_EVENTS = 40;
const SUCCESS_HZ = 880;
const FAILURE_HZ = 330;
const SOUND_SECONDS = 0.35;
/** Key in the browser's local storage. */
const STORED = "shopnow-payment-sound";

export function PaymentSound() {
  const [isOn, setIsOn] = useState(() => localStorage.getItem(STORED) === "on");
  const audio = useRef<AudioContext | null>(null);
  // Position of the newest payment so far: undefined before the first response, null if it had no payment.
  const lastPosition = useRef<string | null | undefined>(undefined);
  const { data } = usePoll<Activity>("activity", { limit: ACTIVITY_EVENTS }, ACTIVITY_POLL_MS);
  const newest = data?.events.find((event) => event.topic === "payments");
  const position = newest ? `${newest.partition}/${newest.offset}` : null;
  useEffect(() => {
    const isNew = lastPosition.current !== undefined && position !== lastPosition.current;
    if (isOn && newest && isNew) {
      playTone((audio.current ??= new AudioContext()), newest.event_type);
    }
    if (data) lastPosition.current = position ?? lastPosition.current ?? null;
  }, [position, !data]);
  // After a reload browsers allow no sound before the user has touched the page.
  useEffect(() => {
    const resume = () => void audio.current?.resume();
    addEventListener("pointerdown", resume);
    addEventListener("keydown", resume);
    return () => {
      removeEventListener("pointerdown", resume);
      removeEventListener("keydown", resume);
      void audio.current?.close();
    };
  }, []);
  const toggle = () => {
    audio.current ??= new AudioContext();
    if (!isOn) playTone(audio.current, "payment_succeeded");
    localStorage.setItem(STORED, isOn ? "off" : "on");
    setIsOn(!isOn);
  };
  return (
    <button class="small" aria-pressed={isOn} onClick={toggle}>
      {isOn ? t("sound_on") : t("sound_off")}
    </button>
  );
}

function playTone(audio: AudioContext, eventType: string | null): void {
  const oscillator = audio.createOscillator();
  const gain = audio.createGain();
  const end = audio.currentTime + SOUND_SECONDS;
  oscillator.frequency.value = eventType === "payment_succeeded" ? SUCCESS_HZ : FAILURE_HZ;
  gain.gain.setValueAtTime(0.12, audio.currentTime);
  gain.gain.exponentialRampToValueAtTime(0.001, end);
  oscillator.connect(gain).connect(audio.destination);
  oscillator.start();
  oscillator.stop(end);
}
