// A very small virtual DOM: pages are pure functions of data, and only what changed is touched, so that a
// poll every two seconds neither flickers nor takes the focus or the selection away.

const SVG = "http://www.w3.org/2000/svg";

export function h(tag, props, ...kids) {
  return { tag, props: props || {}, kids: kids.flat(Infinity).filter((k) => k !== null && k !== undefined && k !== false) };
}

function setProp(el, name, value, before) {
  if (name === "key") return;
  if (name.startsWith("on")) {
    el[name] = value || null;
  } else if (name === "style") {
    // Through the CSSOM: the content security policy forbids style attributes.
    for (const k in before || {}) if (!value || !(k in value)) el.style.removeProperty(k);
    for (const k in value || {}) el.style.setProperty(k, value[k]);
  } else if (name === "value" || name === "checked") {
    if (el[name] !== value && !(name === "value" && document.activeElement === el && el.tagName === "INPUT"))
      el[name] = value;
  } else if (value === null || value === undefined || value === false) {
    el.removeAttribute(name);
  } else {
    el.setAttribute(name, value === true ? "" : value);
  }
}

function create(v, svg) {
  if (typeof v !== "object") return document.createTextNode(String(v));
  const inSvg = svg || v.tag === "svg";
  const el = inSvg ? document.createElementNS(SVG, v.tag) : document.createElement(v.tag);
  el.vnode = v;
  for (const kid of v.kids) el.appendChild(create(kid, inSvg));
  for (const name in v.props) setProp(el, name, v.props[name]);
  return el;
}

const keyOf = (v) => (typeof v === "object" ? v.props.key : undefined);

function same(node, v) {
  if (typeof v !== "object") return node.nodeType === 3;
  return node.vnode && node.vnode.tag === v.tag && node.vnode.props.key === v.props.key;
}

function update(node, v, svg) {
  if (typeof v !== "object") {
    if (node.data !== String(v)) node.data = String(v);
    return;
  }
  const before = node.vnode.props;
  node.vnode = v;
  patchKids(node, v.kids, svg || v.tag === "svg");
  for (const name in before) if (!(name in v.props)) setProp(node, name, null, before[name]);
  for (const name in v.props) if (before[name] !== v.props[name]) setProp(node, name, v.props[name], before[name]);
}

function patchKids(parent, kids, svg) {
  const keyed = new Map();
  for (const node of parent.childNodes) {
    const key = node.vnode && node.vnode.props.key;
    if (key !== undefined) keyed.set(key, node);
  }
  let at = parent.firstChild;
  for (const v of kids) {
    const found = keyed.get(keyOf(v));
    if (found && same(found, v)) {
      if (found === at) at = at.nextSibling;
      else parent.insertBefore(found, at);
      keyed.delete(keyOf(v));
      update(found, v, svg);
    } else if (at && keyOf(v) === undefined && same(at, v)) {
      update(at, v, svg);
      at = at.nextSibling;
    } else {
      parent.insertBefore(create(v, svg), at);
    }
  }
  while (at) {
    const next = at.nextSibling;
    parent.removeChild(at);
    at = next;
  }
}

// Makes the children of el be exactly kids.
export function render(el, ...kids) {
  patchKids(el, kids.flat(Infinity).filter((k) => k !== null && k !== undefined && k !== false), false);
}
