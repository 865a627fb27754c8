// The way to the shell: its three commands, and nothing else. Bytes in, bytes out.
const { invoke, Channel } = window.__TAURI__.core;

export const call = (request) => invoke("call", request);

const channel = (heed) => {
  const it = new Channel();
  it.onmessage = (message) => heed(new Uint8Array(message));
  return it;
};

export const subscribe = (heed) => invoke("subscribe", { channel: channel(heed) });
export const attach = (order, heed) => invoke("attach", { order: JSON.parse(order), channel: channel(heed) });
export const order = (order) => invoke("attach", { order: JSON.parse(order) });
export const visit = (address) => invoke("attach", { order: { do: "visit", address } });
export const close_window = () => { order('{"do":"leave"}'); };
